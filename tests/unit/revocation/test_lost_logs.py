"""A log that is lost, in part or as a whole: nothing that it refused is accepted again."""

import base64
import math
import random

import pytest
from tests.unit.revocation.test_replica import Log, _catch_up

from ostiary import limits
from ostiary.domain.account import EPOCHS_PER_EVERYTHING
from ostiary.revocation.entry import Cursor, Entry, Probe, Scope
from ostiary.revocation.knowledge import Verdict
from ostiary.revocation.replica import Next, Replica

LEASE = 2.0


def _ended(session_id: str, until: float = 100.0) -> Entry:
    return Entry(scope=Scope.SESSION, id=session_id, value=9, until=until)


def _following(log: Log) -> Replica:
    replica = Replica(lease=LEASE)
    _catch_up(replica, log)
    return replica


def test_another_log_gives_no_lease_before_it_is_adopted() -> None:
    """A wiped log looks empty, and says that nothing was revoked (flaw class: leases from a log that forgot)."""
    log = Log()
    log.append(_ended("s1"))
    replica = _following(log)
    lease = replica.lease_until
    wiped = Probe(generation=2, matches=True, items=(), complete=True)

    assert replica.on_reply(replica.on_send(50.0), wiped) is Next.ADOPT
    assert replica.lease_until == lease

    replica.adopt(2, 1)
    assert replica.lease_until == lease
    assert replica.on_reply(replica.on_send(50.0), wiped) is Next.DONE
    assert replica.judge("any", 1, "a", EPOCHS_PER_EVERYTHING - 1, "k", 51.0) is Verdict.REFUSED
    assert replica.judge("any", 1, "a", EPOCHS_PER_EVERYTHING, "k", 51.0) is Verdict.ACCEPTED


def test_what_is_known_of_everything_does_not_count_hints() -> None:
    """The hint of the count that another node raised for the new log must not make this node raise it again; what this
    process wrote itself counts."""
    replica = _following(Log())
    replica.hint([Entry(scope=Scope.EVERYTHING, id="", value=3, until=9.0)])
    assert replica.everything == 0
    assert replica.floor == 3 * EPOCHS_PER_EVERYTHING
    replica.apply([Entry(scope=Scope.EVERYTHING, id="", value=3, until=9.0)])
    assert replica.everything == 3


@pytest.mark.parametrize("scope", [Scope.SESSION, Scope.ACCOUNT, Scope.CLIENT, Scope.KEY])
def test_what_the_log_lost_is_told_once(scope: Scope) -> None:
    """A node that knew it can append it again, for those that did not."""
    log = Log()
    log.append(_ended("s1"))
    lost = Entry(scope=scope, id="x", value=1, until=100.0)
    log.append(lost)
    replica = _following(log)
    log.lose_the_end(1)
    log.append(_ended("s2"))
    assert not replica.misses_some

    _catch_up(replica, log)

    assert replica.misses_some
    assert replica.lost(now=50.0) == [lost]
    assert not replica.misses_some
    assert replica.lost(now=50.0) == []


def test_what_somebody_else_restored_meanwhile_is_not_restored_again() -> None:
    """Of many nodes that notice it, one has to write."""
    log = Log()
    log.append(_ended("s1"))
    log.append(_ended("s2"))
    replica = _following(log)
    log.lose_the_end(2)
    log.append(_ended("s3"))
    _catch_up(replica, log)

    log.append(_ended("s1"))
    _catch_up(replica, log)

    assert [entry.id for entry in replica.lost(now=50.0)] == ["s2"]


def test_what_has_expired_is_not_restored() -> None:
    """The log forgets it by right."""
    log = Log()
    log.append(_ended("s1", until=10.0))
    log.append(_ended("s2"))
    replica = _following(log)
    log.lose_the_end(2)
    log.append(_ended("s3"))
    _catch_up(replica, log)

    assert [entry.id for entry in replica.lost(now=10.0)] == ["s2"]


def test_half_read_log_has_lost_nothing_yet() -> None:
    """What was not reached is not lost."""
    log = Log()
    for i in range(5):
        log.append(_ended(f"s{i}"))
    replica = _following(log)
    replica.cursor = Cursor(position=99, nonce=1)
    assert replica.on_reply(replica.on_send(0.0), log.probe(replica.cursor, 2)) is Next.MORE
    assert replica.on_reply(replica.on_send(0.0), log.probe(replica.cursor, 2)) is Next.MORE
    assert replica.lost(now=0.0) == []

    _catch_up(replica, log)

    assert replica.lost(now=0.0) == []


def test_a_hint_moves_neither_cursor_nor_lease() -> None:
    """It shortens the wait, and nothing rests on it."""
    log = Log()
    replica = _following(log)
    before = replica.cursor, replica.lease_until

    replica.hint([_ended("s1")])

    assert (replica.cursor, replica.lease_until) == before
    assert replica.session_version("s1") == 9


# --- More than there is room for: marks -----------------------------------------------------------------------------


def _mark(name: str = "m") -> Entry:
    return Entry(scope=Scope.EVERYTHING, id=name, value=0, until=100.0)


def _cover(name: str = "m", everything: int = 1) -> Entry:
    return Entry(scope=Scope.EVERYTHING, id=name, value=everything, until=100.0)


def _refuses(replica: Replica, session_id: str, everything: int = 0) -> bool:
    return replica.refuses(session_id, 1, "a", everything * EPOCHS_PER_EVERYTHING, "k")


def test_an_end_of_everything_covers_what_ended_before_its_mark() -> None:
    """What is forgotten is refused by the floor; what ended after the mark stays, under any count."""
    log = Log()
    for i in range(4):
        log.append(_ended(f"before{i}"))
    log.append(_mark())
    log.append(_ended("between"))
    log.append(_cover())
    log.append(_ended("after"))
    replica = _following(log)
    _catch_up(replica, log)  # a probe that was sent after the mark had been seen

    assert len(replica) == 2
    assert all(_refuses(replica, f"before{i}") for i in range(4))
    for ended in ("between", "after"):
        assert _refuses(replica, ended)
        assert _refuses(replica, ended, everything=1)


@pytest.mark.parametrize("name", ["", "another"])
def test_an_end_of_everything_that_names_no_mark_covers_nothing(name: str) -> None:
    """An administrator's, or one whose mark this replica has not seen: sessions may have begun under the new count."""
    log = Log()
    log.append(_ended("s1"))
    log.append(_mark())
    log.append(_cover(name))
    replica = _following(log)
    _catch_up(replica, log)

    assert _refuses(replica, "s1", everything=1)


def test_what_this_process_ended_meanwhile_is_not_forgotten() -> None:
    """Flaw class: a session that ended after the mark, but before this replica saw the mark, is taken to be covered."""
    log = Log()
    replica = _following(log)
    sent = replica.on_send(1.0)
    log.append(_mark())
    log.append(_cover())
    reply = log.probe(replica.cursor, 10)
    late = _ended("late")
    log.append(late)
    replica.apply([late])

    assert replica.on_reply(sent, reply) is Next.DONE
    assert _refuses(replica, "late", everything=1)
    _catch_up(replica, log)

    assert _refuses(replica, "late", everything=1)
    assert len(replica) == 1


def test_a_mark_whose_writer_gave_up_is_followed_by_another() -> None:
    """What stands between the two is held longer than it must be, and nothing shorter."""
    log = Log()
    log.append(_ended("s1"))
    log.append(_mark("first"))
    log.append(_ended("s2"))
    log.append(_mark("second"))
    log.append(_ended("s3"))
    replica = _following(log)
    assert len(replica) == 3
    log.append(_cover("second"))
    _catch_up(replica, log)
    _catch_up(replica, log)

    assert len(replica) == 2
    assert _refuses(replica, "s3", everything=1)
    assert _refuses(replica, "s1")
    assert _refuses(replica, "s2")


def test_a_log_that_is_read_again_forgets_nothing_by_an_old_mark() -> None:
    """The mark has been seen; what stands before it is held twice rather than not."""
    log = Log()
    log.append(_ended("s1"))
    log.append(_mark())
    replica = _following(log)
    log.append(_ended("s2"))
    replica.cursor = Cursor(position=99, nonce=9)
    _catch_up(replica, log)

    assert _refuses(replica, "s1", everything=5)
    assert _refuses(replica, "s2", everything=5)


def test_a_mark_counts_once_however_often_it_is_read() -> None:
    """Flaw class: a log that is read again takes what ended after an old mark for covered by it."""
    log = Log()
    log.append(_ended("s1"))
    log.append(_mark())
    log.append(_cover())
    log.append(_ended("s2"))
    replica = _following(log)
    _catch_up(replica, log)
    log.lose_the_end(1)
    log.append(_ended("s3"))
    for _ in range(3):
        replica.cursor = Cursor(position=99, nonce=9)
        _catch_up(replica, log)

    assert _refuses(replica, "s2", everything=1)
    assert _refuses(replica, "s3", everything=1)


def test_a_crowded_replica_says_so_until_somebody_makes_room() -> None:
    """And holds everything meanwhile."""
    log = Log()
    replica = Replica(lease=LEASE, max_entries=3)
    for i in range(4):
        log.append(_ended(f"s{i}"))
    _catch_up(replica, log)
    log.append(_mark())
    _catch_up(replica, log)
    assert replica.crowded
    assert len(replica) == 4
    log.append(_cover())
    _catch_up(replica, log)
    assert not replica.crowded
    _catch_up(replica, log)
    assert (replica.crowded, len(replica)) == (False, 0)


def test_raising_the_floor_frees_the_accounts_below_it() -> None:
    """One number covers them all."""
    replica = Replica()
    replica.apply(Entry(scope=Scope.ACCOUNT, id=f"a{i}", value=i, until=9.0) for i in range(1, 9))
    replica.apply([Entry(scope=Scope.ACCOUNT, id="b", value=EPOCHS_PER_EVERYTHING + 1, until=9.0)])
    replica.apply([Entry(scope=Scope.EVERYTHING, id="", value=1, until=9.0)])

    assert len(replica) == 1
    assert replica.account_epoch("a1") == EPOCHS_PER_EVERYTHING
    assert replica.account_epoch("b") == EPOCHS_PER_EVERYTHING + 1


def _random_ids(count: int) -> list[str]:
    chance = random.Random(count)
    return ["ses_" + base64.urlsafe_b64encode(chance.randbytes(16)).decode()[:22] for _ in range(count)]


@pytest.mark.parametrize("young", [limits.REPLICA_YOUNG_ENTRIES, 10**6])
def test_entries_are_small_and_leave_no_trace(young: int) -> None:
    """M-32: 100,000 ended sessions take at most 110 bytes each, and nothing once they have expired."""
    replica = Replica(young=young)
    ids = _random_ids(100_000)
    replica.apply(
        Entry(scope=Scope.SESSION, id=entry_id, value=2**53 - 1, until=500.0 + i % 300)
        for i, entry_id in enumerate(ids)
    )

    assert replica.size() <= 110 * len(ids)
    assert replica.session_version(ids[77]) == 2**53 - 1
    assert replica.forget_expired(math.inf) == len(ids)
    assert len(replica) == 0
