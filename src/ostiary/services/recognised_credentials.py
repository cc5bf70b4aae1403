"""Credentials that this process has recognised, and when their sessions were last used.

A credential that is remembered costs a dictionary look-up and a look at the replica: no I/O, no await. Only genuine
ones ever get in, so nobody can fill the memory without logging in. Revocations are remembered for longer than
credentials are, so forgetting one never revives anything.
"""

import math
from collections.abc import Callable, Mapping

from ostiary import limits
from ostiary.domain.caller import Caller
from ostiary.domain.session import Session
from ostiary.revocation.knowledge import Verdict
from ostiary.revocation.replica import Replica


class Seen:
    """When a session was last used, shared by all of its remembered credentials."""

    __slots__ = ("at", "idle_lifetime", "written_at")

    def __init__(self, at: float, idle_lifetime: float) -> None:
        self.at = at
        self.written_at = at
        self.idle_lifetime = idle_lifetime


class Entry:
    """One remembered credential, and `kid`, the key that signed it.

    `is_simple`: nothing but the credential has to be looked at (`Caller.needs_no_more_than`). If so, what `find` found
    holds while now < `until`, as far as time goes, and until the replica has heard of more than `changes`. `cookie` has
    brought it, if anything.
    """

    __slots__ = ("caller", "changes", "cookie", "expires_at", "is_simple", "kid", "seen", "until")

    def __init__(self, caller: Caller, seen: Seen, *, kid: str, expires_at: float) -> None:
        self.caller = caller
        self.seen = seen
        self.is_simple = False
        self.until = -math.inf
        self.changes = 0
        self.cookie: bytes | None = None
        self.kid = kid
        self.expires_at = expires_at


class RecognisedCredentials:
    """One for each process. `issuer` is who its simple callers have to be meant for.

    What is remembered stands under the header that brings it, so that a header need not be taken apart: in
    `by_authorization` under the Authorization header, and in `by_cookie` under the cookie, if one has brought it.
    """

    def __init__(self, replica: Replica, monotonic: Callable[[], float], issuer: str) -> None:
        self._replica = replica
        self._monotonic = monotonic
        self._issuer = issuer
        self._entries: dict[bytes, Entry] = {}
        self._cookies: dict[bytes, Entry] = {}
        self.by_authorization: Mapping[bytes, Entry] = self._entries
        self.by_cookie: Mapping[bytes, Entry] = self._cookies
        self._seen: dict[str, Seen] = {}
        self._unwritten: dict[str, float] = {}

    def at_once(self, entry: Entry, now: float) -> Caller | None:
        """The caller, at the least cost: if the entry is simple, the lease holds, and nothing whatever was revoked
        since `find` let it pass. None says nothing."""
        replica = self._replica
        if now >= entry.until or entry.changes != replica.changes or self._monotonic() >= replica.lease_until:
            return None
        entry.seen.at = now
        return entry.caller

    def find(self, credential: str, now: float) -> Caller | None:
        """The caller, if this credential is remembered and nothing of it has changed as far as the replica knows: how
        long that may be relied on is for whoever asks to judge. Never raises, never waits."""
        entry = self._entries.get(_key(credential))
        if entry is None:
            return None
        caller = entry.caller
        seen = entry.seen
        judge = self._replica.judge  # `refuses`, with one call less
        if (
            now >= entry.expires_at
            or now >= seen.at + seen.idle_lifetime
            or judge(caller.session_id, caller.version, caller.account_id, caller.epoch, entry.kid, math.inf)
            is Verdict.REFUSED
            or (caller.client_epoch is not None and self._replica.client_refused(caller.client_id, caller.client_epoch))
        ):
            return None
        self._mark(caller.session_id, seen, now)
        if entry.is_simple:
            entry.changes = self._replica.changes
            # it was last used no earlier than `written_at`, so it cannot lie idle before that
            entry.until = min(
                entry.expires_at, seen.written_at + min(seen.idle_lifetime, float(limits.LAST_SEEN_INTERVAL))
            )
        return caller

    def put(self, credential: str, entry: Entry, now: float) -> None:
        """Remember what was found genuine, and used, just now."""
        self.discard(credential)
        self._mark(entry.caller.session_id, entry.seen, now)
        if len(self._entries) >= limits.RECOGNISED_CREDENTIALS:
            self._make_room()
        entry.is_simple = entry.caller.needs_no_more_than(self._issuer)
        self._entries[_key(credential)] = entry

    def discard(self, credential: str) -> None:
        """Forget it, if it is there."""
        key = _key(credential)
        if key in self._entries:
            self._forget(key)

    def came_by_cookie(self, cookie: bytes, credential: str) -> None:
        """This cookie, `name=value`, has brought the credential: remember it under that too."""
        entry = self._entries.get(_key(credential))
        if entry is not None and entry.cookie is None:
            entry.cookie = cookie
            self._cookies[cookie] = entry

    def __len__(self) -> int:
        """Credentials that are remembered."""
        return len(self._entries)

    def seen_of(self, session: Session) -> Seen:
        """When it was last used, as far as its record or this process knows."""
        seen = self._seen.get(session.id)
        if seen is None:
            seen = self._seen[session.id] = Seen(session.last_seen_at, session.idle_lifetime)
        seen.idle_lifetime = session.idle_lifetime
        seen.at = max(seen.at, session.last_seen_at)
        seen.written_at = max(seen.written_at, session.last_seen_at)
        return seen

    def seen_since(self, session_id: str, at: float) -> Seen:
        """The same where no record is read: not before `at`. Whether it lies idle is then not looked at."""
        seen = self._seen.get(session_id)
        if seen is None:
            seen = self._seen[session_id] = Seen(at, math.inf)
        return seen

    def last_seen(self, session: Session) -> float:
        """When this session was last used, as far as this process or the store knows."""
        seen = self._seen.get(session.id)
        return max(session.last_seen_at, seen.at) if seen else session.last_seen_at

    def take_unwritten(self) -> dict[str, float]:
        """Sessions whose last use the store should be told of, at most once a minute each."""
        unwritten, self._unwritten = self._unwritten, {}
        return unwritten

    def forget_expired(self, now: float) -> int:
        """Housekeeping: drop credentials that are past their time; how many."""
        over = [credential for credential, entry in self._entries.items() if now >= entry.expires_at]
        self._drop(over)
        return len(over)

    def _mark(self, session_id: str, seen: Seen, now: float) -> None:
        seen.at = max(seen.at, now)
        if now - seen.written_at >= limits.LAST_SEEN_INTERVAL:
            seen.written_at = now
            self._unwritten[session_id] = now

    def _make_room(self) -> None:
        """Forget the sixteenth that was recognised first."""
        self._drop(list(self._entries)[: limits.RECOGNISED_CREDENTIALS // 16])

    def _forget(self, key: bytes) -> None:
        cookie = self._entries.pop(key).cookie
        if cookie is not None:
            self._cookies.pop(cookie, None)

    def _drop(self, credentials: list[bytes]) -> None:
        for credential in credentials:
            self._forget(credential)
        used = {entry.caller.session_id for entry in self._entries.values()}
        for session_id in [known for known in self._seen if known not in used]:
            del self._seen[session_id]


def _key(credential: str) -> bytes:
    """What it is remembered under: the Authorization header that shows it, as clients write that. A genuine one is
    ASCII without question marks, so no other text has its key."""
    return b"Bearer " + credential.encode("ascii", "replace")
