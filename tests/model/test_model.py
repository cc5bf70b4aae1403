"""The protocol holds in every interleaving of a small world, and each rule of it is needed.

`test_naive_...`: one rule is replaced by what people do instead, and the search finds the shortest way to accept what
was ended. `test_ours_...`: the same worlds, and larger ones, without one. The nodes run the code that servers run.
"""

import pytest
from tests.model.search import search
from tests.model.world import Setting, Variant

OURS = Variant()


def _breaks(variant: Variant, setting: Setting, story: str, promise: str = "after the lease") -> None:
    """The shortest counterexample is this one, and the same world holds under our rules."""
    outcome = search(variant, setting)
    assert outcome.broken.endswith(promise), outcome
    assert [line.strip() for line in story.strip().splitlines()] == list(outcome.story)
    assert search(OURS, setting).broken == ""


def test_naive_messages_alone() -> None:
    """M-30: pub/sub only. A node that misses a message accepts for ever."""
    _breaks(
        Variant(probes=False),
        Setting(sessions=1, ticks=2),
        """
        session 0 is ended
        tick
        tick
        """,
    )


def test_naive_lease_by_ping() -> None:
    """M-30: a connection that lives says nothing about the messages that it lost."""
    _breaks(
        Variant(probes=False, pings=True),
        Setting(sessions=1, ticks=2),
        """
        session 0 is ended
        tick
        tick
        node 0 is connected
        """,
    )


def test_naive_lease_from_receipt() -> None:
    """M-30: an answer that was long on its way lends time that has passed."""
    _breaks(
        Variant(lease_from_receipt=True),
        Setting(sessions=1, ticks=3),
        """
        node 0 sends a probe
        the log answers node 0
        session 0 is ended
        tick
        tick
        node 0 gets the answer
        """,
    )


def test_naive_probe_that_reads() -> None:
    """M-30: a primary that was replaced and does not know it lends leases for ever."""
    _breaks(
        Variant(probe_is_a_read=True),
        Setting(sessions=1, ticks=3, faults=frozenset({"failover"})),
        """
        another primary takes over
        session 0 is ended
        tick
        tick
        node 0 sends a probe
        the old primary answers node 0
        node 0 gets the answer
        """,
    )


def test_naive_serial_cursor() -> None:
    """M-30: positions are given when a write begins, so one that commits late is skipped for ever."""
    _breaks(
        Variant(serial_positions=True),
        Setting(ticks=2, messages=False),
        """
        ending 0 takes position 1
        ending 1 takes position 2
        ending 1 commits
        node 0 sends a probe
        the log answers node 0
        ending 0 commits
        tick
        tick
        node 0 gets the answer
        node 0 sends a probe
        the log answers node 0
        node 0 gets the answer
        """,
    )


def test_naive_cursor_that_is_a_length() -> None:
    """M-30: a log that lost its end and grew again looks like the one that was read; an end that it holds is missed."""
    _breaks(
        Variant(cursor_is_a_length=True),
        Setting(ticks=2, faults=frozenset({"lose"}), messages=False),
        """
        session 0 is ended
        node 0 sends a probe
        the log answers node 0
        node 0 gets the answer
        the log loses its end
        session 1 is ended
        tick
        tick
        node 0 sends a probe
        the log answers node 0
        node 0 gets the answer
        """,
    )


def test_naive_late_registration() -> None:
    """M-33: a node that has read, and that nobody knows of yet, is not waited for."""
    _breaks(
        Variant(registers_late=True),
        Setting(sessions=1, ticks=2, waits=True, messages=False, faults=frozenset({"restart"})),
        """
        node 0 starts anew
        node 0 sends a probe
        the log answers node 0
        node 0 gets the answer
        node 0 sends a probe
        the log answers node 0
        session 0 is ended
        wait=all of 0 answers
        node 0 gets the answer
        """,
        "after wait=all",
    )


def test_naive_asynchronous_commit() -> None:
    """M-30: what was answered before it was durable is gone after a crash, and nobody knows."""
    _breaks(
        Variant(answers_before_durable=True),
        Setting(sessions=1, ticks=2, messages=False, faults=frozenset({"crash"})),
        """
        session 0 is ended
        tick
        tick
        node 0 sends a probe
        the log crashes
        the log answers node 0
        node 0 gets the answer
        """,
    )


def test_naive_trust_in_a_new_log() -> None:
    """M-30: a wiped log says that nothing was ended."""
    _breaks(
        Variant(trusts_a_new_log=True),
        Setting(sessions=1, ticks=2, messages=False, faults=frozenset({"wipe"})),
        """
        session 0 is ended
        tick
        tick
        node 0 sends a probe
        the log is wiped
        the log answers node 0
        node 0 gets the answer
        node 0 sends a probe
        the log answers node 0
        node 0 gets the answer
        """,
    )


def test_naive_trust_in_a_new_list_of_nodes() -> None:
    """M-33: a log that was just made knows of nobody, and so waits for nobody."""
    _breaks(
        Variant(trusts_new_members=True),
        Setting(sessions=1, ticks=2, waits=True, messages=False, faults=frozenset({"wipe"})),
        """
        the log is wiped
        session 0 is ended
        wait=all of 0 answers
        """,
        "after wait=all",
    )


def test_naive_forgetting_at_once() -> None:
    """M-32: what was ended here while the covering entry was on its way looks covered, and is not."""
    _breaks(
        Variant(forgets_at_once=True),
        Setting(own_node=True, marks=True, ticks=2, messages=False),
        """
        node 0 sends a probe
        a mark
        everything is ended, naming the mark
        session 1 logs in
        the log answers node 0
        session 1 is ended
        node 0 gets the answer
        """,
        "after it ended it itself",
    )


def test_naive_cursor_that_every_message_moves() -> None:
    """M-30: what lies between the cursor and the message is never asked for."""
    _breaks(
        Variant(messages_move_the_cursor=True),
        Setting(ticks=2),
        """
        session 0 is ended
        tick
        tick
        session 1 is ended
        node 0 hears of 1
        node 0 sends a probe
        the log answers node 0
        node 0 gets the answer
        """,
    )


def test_naive_message_that_continues_a_position() -> None:
    """M-30: after a log lost its end and grew again, another item stands where the replica has read up to; what that
    one ended is never asked for."""
    _breaks(
        Variant(messages_continue_a_position=True),
        Setting(sessions=3, ticks=2, faults=frozenset({"lose"})),
        """
        session 0 is ended
        node 0 hears of 0
        the log loses its end
        session 1 is ended
        tick
        tick
        session 2 is ended
        node 0 hears of 2
        node 0 sends a probe
        the log answers node 0
        node 0 gets the answer
        """,
    )


def test_naive_message_that_lends() -> None:
    """M-30: a message that comes late continues the cursor, and says nothing of what followed it."""
    _breaks(
        Variant(messages_lend=True),
        Setting(ticks=2),
        """
        session 0 is ended
        session 1 is ended
        tick
        tick
        node 0 hears of 0
        """,
    )


def test_naive_acknowledgement_of_what_was_heard() -> None:
    """M-33: whoever has heard of the newest end, and not of the one before, is not to be counted as knowing both."""
    _breaks(
        Variant(acknowledges_what_it_hears=True),
        Setting(ticks=1, waits=True),
        """
        session 0 is ended
        session 1 is ended
        node 0 hears of 1
        wait=all of 0 answers
        """,
        "after wait=all",
    )


@pytest.mark.parametrize(
    "setting",
    [
        Setting(sessions=1, ticks=5, faults=frozenset({"restart", "failover"}), most=2),
        Setting(sessions=1, ticks=4, faults=frozenset({"restart", "wipe"}), most=2, waits=True, messages=False),
        Setting(ticks=4, faults=frozenset({"lose", "restart"}), messages=False),
        Setting(nodes=2, sessions=1, ticks=3, waits=True),
        Setting(ticks=3, faults=frozenset({"wipe"}), messages=False),
        Setting(ticks=3, faults=frozenset({"lose"})),
        Setting(sessions=1, ticks=3, faults=frozenset({"restart", "wipe"}), most=2, waits=True),
    ],
    ids=["split-brain", "wipe-and-wait", "lost-end", "two-nodes", "log-in-after-wipe", "lost-end-heard", "wipe-heard"],
)
def test_ours_holds(setting: Setting) -> None:
    """M-30, M-33: in no order of events is anything accepted that must not be; and things are accepted."""
    outcome = search(OURS, setting)
    assert outcome.broken == "", outcome.story
    assert outcome.accepting > 100
    assert outcome.worlds > 20_000
