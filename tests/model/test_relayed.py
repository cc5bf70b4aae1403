"""Behind relays the same promises hold in every interleaving of a small world, and each rule of a relay is needed.

Relays and nodes run the code that relays and verifiers run; see `relayed.py`.
"""

import pytest
from tests.model.relayed import Rules, Setting, Variant
from tests.model.search import explore

OURS = Variant()


def _breaks(variant: Variant, setting: Setting, story: str, promise: str = "after the lease") -> None:
    """The shortest counterexample is this one."""
    outcome = explore(Rules(variant, setting))
    assert outcome.broken.endswith(promise), outcome
    assert [line.strip() for line in story.strip().splitlines()] == list(outcome.story)


def test_naive_relay_that_says_no_age() -> None:
    """M-30: what it says is as old as its own question; a follower would start its lease from anew."""
    _breaks(
        Variant(age_ignored=True),
        Setting(ticks=2),
        """
        session 0 is ended
        tick
        node 0 asks
        the question of node 0 comes
        relay 0 answers node 0
        tick
        node 0 gets the answer
        """,
    )


def test_naive_age_from_receipt() -> None:
    """M-30: an answer that was long on its way to the relay lends its followers time that has passed."""
    _breaks(
        Variant(age_from_receipt=True),
        Setting(ticks=2),
        """
        relay 0 asks
        the log answers relay 0
        session 0 is ended
        tick
        tick
        relay 0 gets the answer
        node 0 asks
        the question of node 0 comes
        relay 0 answers node 0
        node 0 gets the answer
        """,
    )


def test_naive_relay_that_speaks_for_itself() -> None:
    """M-33: it has read of the end, and says so; its follower has not."""
    _breaks(
        Variant(speaks_for_itself=True),
        Setting(ticks=0, waits=True),
        """
        session 0 is ended
        relay 0 asks
        the log answers relay 0
        relay 0 gets the answer
        relay 0 asks
        the log answers relay 0
        wait=all of 0 answers
        """,
        "after wait=all",
    )


def test_naive_counting_from_the_second_question() -> None:
    """M-33: the answer to the first one lends a lease, too, and may still be on its way."""
    _breaks(
        Variant(counts_late=True),
        Setting(ticks=0, waits=True, new_node=True),
        """
        session 0 is ended
        relay 0 asks
        the log answers relay 0
        node 0 asks
        the question of node 0 comes
        relay 0 answers node 0
        relay 0 gets the answer
        relay 0 asks
        the log answers relay 0
        wait=all of 0 answers
        node 0 gets the answer
        """,
        "after wait=all",
    )


def test_naive_goodbye() -> None:
    """M-33: a relay that stops leaves leases behind."""
    _breaks(
        Variant(always_leaves=True),
        Setting(ticks=0, waits=True, faults=frozenset({"stop"})),
        """
        session 0 is ended
        relay 0 stops and another one starts
        wait=all of 0 answers
        """,
        "after wait=all",
    )


def test_naive_positions_of_another_log() -> None:
    """M-33: a log that lost its end and grew again has the same positions; who had applied the lost item has not
    applied the one in its place."""
    setting = Setting(ticks=0, sessions=2, waits=True, lossy=False, faults=frozenset({"lose"}))
    outcome = explore(Rules(Variant(keeps_positions=True), setting))
    assert outcome.broken == "node 0 accepts session 1 after wait=all"
    assert explore(Rules(OURS, setting)).broken == ""


def test_naive_answer_about_now_from_what_is_known() -> None:
    """Section 6: whoever asks what is true now must be told what was committed before he asked."""
    _breaks(
        Variant(fresh_from_copy=True),
        Setting(ticks=0, fresh=True),
        """
        session 0 is ended
        node 0 asks what is true now
        the question of node 0 comes
        relay 0 answers node 0
        node 0 gets the answer
        """,
        "after it asked what is true now",
    )


@pytest.mark.parametrize(
    ("setting", "worlds"),
    [
        (Setting(ticks=2, waits=True, new_node=True), 50_000),
        (Setting(ticks=2, waits=True, lossy=False, faults=frozenset({"stop", "kill"})), 20_000),
        (Setting(ticks=2, fresh=True), 10_000),
        (Setting(ticks=0, relays=2, waits=True, new_node=True), 1_000),
    ],
    ids=["new-node", "restarts", "true-now", "chain-and-wait"],
)
def test_ours_holds(setting: Setting, worlds: int) -> None:
    """M-30, M-33: in no order of events is anything accepted that must not be; and things are accepted."""
    outcome = explore(Rules(OURS, setting))
    assert outcome.broken == "", outcome.story
    assert outcome.accepting > 100
    assert outcome.worlds > worlds
