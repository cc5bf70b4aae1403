"""Token Status Lists for third parties: what has been revoked, as bits that anybody may fetch.

A list is made when somebody asks for it, from the revocation log: each entry that was not read yet names a session or
an account, and what their sessions held under what is refused now is set. So a list tells of everything that was
committed before it was asked for, on whatever node, and costs a look into the store only for what has newly ended. What
has expired is cleared, which bounds what is kept.
"""

import asyncio
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from ostiary import jose, limits
from ostiary.credentials.opaque import encode
from ostiary.domain.session import Session
from ostiary.domain.status_list import everything_of, read_places, status_list_uri
from ostiary.errors import NotFound
from ostiary.revocation.entry import Cursor, LogItem, Scope
from ostiary.services.context import Context
from ostiary.services.followers import Followers
from ostiary.services.signing_keys import SigningKeys

STATUS_LIST_TYPE = "statuslist+jwt"
_BITS = 1  # a token holds, or it does not
_TOGETHER = 64  # sessions that are looked up at a time


@dataclass(frozen=True, slots=True)
class _Signed:
    """A list as it was last handed out. `token` names it as it is known outside."""

    token: str
    issued_at: int
    kid: str


class StatusLists:
    """Use case of asking for a list. One for each process."""

    def __init__(self, context: Context, keys: SigningKeys, followers: Followers) -> None:
        self._context = context
        self._keys = keys
        self._followers = followers
        self._lock = asyncio.Lock()
        self._cursor = Cursor()
        self._generation: int | None = None
        self._everything = 0
        self._begun = 0
        self._done = 0
        self._set: dict[int, dict[int, int]] = {}
        self._signed: dict[int, _Signed] = {}

    async def token(self, number: int, now: float) -> str:
        """The status list token. Raises NotFound for a list that there is not, Unavailable."""
        signer = self._keys.ring.signer
        if signer.symmetric:
            raise NotFound("Tokens of this server can be checked by nobody else.")
        begun = self._begun
        async with self._lock:
            if self._done <= begun:  # else the log was read after we asked, for somebody before us
                self._begun += 1
                await self._catch_up(now)
                self._done = self._begun
            if everything_of(number) > self._everything:
                raise NotFound("No such status list.")
            known = self._signed.get(number)
            if known is not None and known.kid == signer.kid and 0 <= now - known.issued_at < limits.STATUS_LIST_TTL:
                return known.token
            signed = _Signed(await self._sign(number, signer, int(now)), int(now), signer.kid or "")
            if len(self._signed) >= 2 * limits.STATUS_LISTS:
                self._signed.clear()
            self._signed[number] = signed
            return signed.token

    async def _catch_up(self, now: float) -> None:
        """Also where no token of this process names a list: those of another, or of before a restart, may."""
        while True:
            answer = await self._followers.probe(self._cursor, node="", lends=False)
            probe = answer.probe
            self._go_by(answer.everything)
            if not probe.matches or (self._generation is not None and probe.generation != self._generation):
                self._cursor, self._generation = Cursor(), probe.generation
                continue
            self._generation = probe.generation
            await self._take(probe.items, now)
            if probe.items:
                self._cursor = probe.items[-1].cursor
            if probe.complete:
                return

    def _go_by(self, everything: int) -> None:
        if everything != self._everything:
            self._everything = everything
            self._signed.clear()
            self._set = {number: bits for number, bits in self._set.items() if everything_of(number) >= everything}

    async def _take(self, items: Iterable[LogItem], now: float) -> None:
        """Set what these entries refuse. An entry whose session is gone refuses nothing that is alive."""
        entries = [item.entry for item in items if item.entry.until > now]
        sessions = [entry for entry in entries if entry.scope is Scope.SESSION]
        store = self._context.store
        for start in range(0, len(sessions), _TOGETHER):
            some = sessions[start : start + _TOGETHER]
            found = await asyncio.gather(*(store.sessions.get(entry.id) for entry in some))
            for entry, session in zip(some, found, strict=True):
                if session is not None:
                    self._mark(session, now, version=entry.value)
        for entry in entries:
            if entry.scope is Scope.ACCOUNT:
                for session in await store.sessions.of_account(entry.id):
                    self._mark(session, now, epoch=entry.value)

    def _mark(self, session: Session, now: float, *, version: int = 0, epoch: int = 0) -> None:
        for place in read_places(session.statuses):
            if (place.version < version or place.epoch < epoch) and place.until > now:
                bits = self._set.setdefault(place.number, {})
                if bits.get(place.index, 0) < place.until:
                    bits[place.index] = place.until
                    self._signed.pop(place.number, None)

    async def _sign(self, number: int, signer: jose.Key, now: int) -> str:
        if everything_of(number) < self._everything:
            bits = b"\xff" * (limits.STATUS_LIST_PLACES // 8)
        else:
            alive = {index: until for index, until in self._set.get(number, {}).items() if until > now}
            self._set[number] = alive
            bits = packed(alive)
        compressed = await asyncio.to_thread(zlib.compress, bits, 9)
        issuer = self._context.policy.issuer
        claims = {
            "iss": issuer,
            "sub": status_list_uri(issuer, number),
            "iat": now,
            "exp": now + limits.STATUS_LIST_SECONDS,
            "ttl": limits.STATUS_LIST_TTL,
            "status_list": {"bits": _BITS, "lst": encode(compressed)},
        }
        return jose.sign(claims, signer, typ=STATUS_LIST_TYPE, max_chars=limits.STATUS_LIST_CHARS)


def packed(indices: Iterable[int]) -> bytes:
    """One bit for each place, from the lowest bit of the first byte on."""
    bits = bytearray(limits.STATUS_LIST_PLACES // 8)
    for index in indices:
        bits[index >> 3] |= 1 << (index & 7)
    return bytes(bits)
