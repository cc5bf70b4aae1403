"""What a process remembers from one refresh to the next, and what it does not."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from ostiary import limits
from ostiary.credentials.opaque import RefreshToken
from ostiary.domain.account import Issuer
from ostiary.domain.session import Session
from ostiary.services.refreshed_sessions import Known, RefreshedSessions
from ostiary.testing import builders
from ostiary.testing.builders import NOW

ISSUER = Issuer(revision=4)


class Log:
    """Which log is followed."""

    generation: int | None = 1


@pytest.fixture
def log() -> Iterator[type[Log]]:
    yield Log
    Log.generation = 1


@pytest.fixture
def remembered(log: type[Log]) -> RefreshedSessions:
    return RefreshedSessions(lambda: log.generation)


def session_of(name: str, digest: bytes) -> Session:
    return builders.session(name, refresh=builders.refresh_state(digest=digest), revision=7)


def shown(name: str, digest: bytes) -> RefreshToken:
    return RefreshToken(session_id=name, generation=0, secret=b"", text="", digest=digest)


def test_the_written_session_is_known_as_the_store_has_it(remembered: RefreshedSessions) -> None:
    """M-40: what was swapped has the next revision; account and issuer are as they were expected."""
    session, account = session_of("s", b"new"), builders.account(revision=3)
    remembered.keep(session, account, ISSUER, NOW)
    assert remembered.recall(shown("s", b"new"), NOW) == Known(replace(session, revision=8), ISSUER, account)


@pytest.mark.parametrize(("name", "digest"), [("s", b"old"), ("s", b""), ("other", b"new")])
def test_only_the_current_token_is_judged_by_memory(remembered: RefreshedSessions, name: str, digest: bytes) -> None:
    """M-43: a predecessor, a reused token, and one of a session that is not known, are for the store to judge."""
    remembered.keep(session_of("s", b"new"), builders.account(), ISSUER, NOW)
    assert remembered.recall(shown(name, digest), NOW) is None


def test_a_session_that_seems_over_is_not_known(remembered: RefreshedSessions) -> None:
    """M-40: another process may have seen it later than this one."""
    session = session_of("s", b"new")
    remembered.keep(session, builders.account(), ISSUER, NOW)
    assert remembered.recall(shown("s", b"new"), session.idle_expires_at - 0.001) is not None
    assert remembered.recall(shown("s", b"new"), session.idle_expires_at) is None
    remembered.keep(session_of("t", b"new"), builders.account(), replace(ISSUER, everything=1), NOW)
    assert remembered.recall(shown("s", b"new"), NOW) is None


def test_another_log_is_another_store(remembered: RefreshedSessions, log: type[Log]) -> None:
    """A store that lost something may count revisions a second time: nothing of before is known then."""
    remembered.keep(session_of("s", b"new"), builders.account(), ISSUER, NOW)
    log.generation = 2
    assert remembered.recall(shown("s", b"new"), NOW) is None
    remembered.keep(session_of("t", b"new"), builders.account(), ISSUER, NOW)
    assert remembered.recall(shown("s", b"new"), NOW) is None
    assert remembered.recall(shown("t", b"new"), NOW) is not None
    log.generation = 1
    assert remembered.recall(shown("t", b"new"), NOW) is None


def test_the_longest_unused_goes_first(remembered: RefreshedSessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, for sessions and for accounts, by what was renewed last."""
    monkeypatch.setattr(limits, "REMEMBERED_SESSIONS", 2)
    monkeypatch.setattr(limits, "REMEMBERED_ACCOUNTS", 1)
    for name, account in (("a", "x"), ("b", "y"), ("a", "x"), ("c", "y")):
        session = replace(session_of(name, b"new"), account_id=account)
        remembered.keep(session, builders.account(account), ISSUER, NOW)
    assert remembered.recall(shown("b", b"new"), NOW) is None
    known = [remembered.recall(shown(name, b"new"), NOW) for name in ("a", "c")]
    assert [found.account.id if found and found.account else found and "" for found in known] == ["", "y"]


def test_it_is_forgotten_after_an_hour(remembered: RefreshedSessions) -> None:
    """Whoever does not come back costs no memory for long."""
    remembered.keep(session_of("a", b"new"), builders.account(), ISSUER, NOW)
    remembered.keep(session_of("b", b"new"), builders.account(), ISSUER, NOW + 1)
    remembered.forget_old(NOW + limits.REMEMBERED_SECONDS)
    assert remembered.recall(shown("a", b"new"), NOW) is None
    known = remembered.recall(shown("b", b"new"), NOW)
    assert known is not None
    assert known.account is not None
