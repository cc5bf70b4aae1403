"""What a process has seen of sessions at their last refresh, and judges the next one by, without asking the store.

It may be out of date. So it is good only for a refresh that ends in a write which expects all of it unchanged: that
write finds out, and where it fails, the store is asked. A store that has lost something may count revisions a second
time: what was remembered under another generation of its log is worth nothing.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from ostiary import limits
from ostiary.credentials.opaque import RefreshToken
from ostiary.domain.account import Account, Issuer
from ostiary.domain.session import Session, changed


class Known(NamedTuple):
    """What a refresh is judged by. `account` is None where only the store can say."""

    session: Session
    issuer: Issuer
    account: Account | None


class RefreshedSessions:
    """Sessions and accounts by id, each with the instant of its last refresh, the oldest first; one issuer.

    `generation`: of the log that the process follows."""

    def __init__(self, generation: Callable[[], int | None]) -> None:
        self._generation_now = generation
        self._generation: int | None = None
        self._sessions: dict[str, tuple[float, Session]] = {}
        self._accounts: dict[str, tuple[float, Account]] = {}
        self._issuer: Issuer | None = None

    def recall(self, presented: RefreshToken, now: float) -> Known | None:
        """None unless the token is current by what is remembered and the session live: everything else, the store has
        to say."""
        if self._generation != self._generation_now():
            self._forget_all()
        found = self._sessions.get(presented.session_id)
        if found is None or self._issuer is None:
            return None
        _, session = found
        state = session.refresh
        if state is None or state.digest != presented.digest or not session.is_live(now, self._issuer.everything):
            return None
        account = self._accounts.get(session.account_id)
        return Known(session, self._issuer, None if account is None else account[1])

    def keep(self, written: Session, account: Account, issuer: Issuer, now: float) -> None:
        """`written` has just been swapped, the others were expected."""
        if self._generation != self._generation_now():
            self._forget_all()
        self._issuer = issuer
        session = changed(written, revision=written.revision + 1)  # as the store has it now
        _put_last(self._sessions, session.id, (now, session), limits.REMEMBERED_SESSIONS)
        _put_last(self._accounts, account.id, (now, account), limits.REMEMBERED_ACCOUNTS)

    def forget_old(self, now: float) -> None:
        """Housekeeping."""
        long_ago = now - limits.REMEMBERED_SECONDS
        for records in (self._sessions, self._accounts):
            for key in [key for key, (at, _) in records.items() if at <= long_ago]:
                del records[key]

    def _forget_all(self) -> None:
        self._generation = self._generation_now()
        self._sessions.clear()
        self._accounts.clear()
        self._issuer = None


def _put_last(records: dict[str, Any], key: str, value: Any, most: int) -> None:
    records.pop(key, None)
    records[key] = value
    if len(records) > most:
        del records[next(iter(records))]
