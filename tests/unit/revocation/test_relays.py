"""Relays between the log and the nodes, in the world of `make simulate`, made small."""

from dataclasses import replace

import pytest
from benchmarks.simulation.plan import Plan, Seen
from benchmarks.simulation.world import simulate

_SMALL = Plan(nodes=90, relays=3, seconds=2.0)
_CUT = replace(_SMALL, cut=(0.3, 2.3))


def _told(seen: Seen) -> object:
    return seen.learnt, seen.leased, seen.pairs, seen.latest, seen.probes_of_log, seen.probes_of_relays


def test_a_plan_is_one_run() -> None:
    """The same plan gives the same result, another seed another one."""
    first = _told(simulate(_SMALL))
    assert first == _told(simulate(_SMALL))
    assert first != _told(simulate(replace(_SMALL, seed=2)))


def test_all_nodes_learn_of_everything_and_keep_their_leases() -> None:
    """M-30: over two relays, in every region, with hints and without them."""
    for hints in (True, False):
        seen = simulate(replace(_SMALL, hints=hints))
        assert (seen.unknown, seen.late) == (0, 0)
        assert seen.pairs >= 50 * _SMALL.nodes
        assert min(map(min, seen.leased)) == 1.0


def test_a_region_that_is_cut_off_accepts_nothing_too_late() -> None:
    """M-30: its nodes lose their leases within one, whatever their relays still know; the others go on, and so do they
    once the line is whole."""
    seen = simulate(_CUT)
    assert (seen.unknown, seen.late) == (0, 0)
    assert seen.latest < _CUT.lease
    assert min(map(min, seen.leased[:-1])) == 1.0
    assert min(seen.leased[-1]) == 0.0
    assert seen.leased[-1][-1] == 1.0


def test_relays_that_do_not_say_their_age_break_the_promise() -> None:
    """M-30: the same line, and nodes that take what a relay says for what the log says now."""
    assert simulate(replace(_CUT, age_counts=False)).late > 0


@pytest.mark.parametrize("seed", range(2))
def test_relays_that_fall_silent_delay_and_nothing_else(seed: int) -> None:
    """M-30: nodes turn to another relay; until one answers, they have no lease."""
    seen = simulate(replace(_SMALL, nodes=120, relays=4, seed=seed, dead=0.3))
    assert seen.late == 0
    assert min(map(min, seen.leased)) < 1.0
