"""Verified tokens, remembered: the second time a token comes, it costs a dictionary look-up.

The rules, in words:

1. Only what was verified gets in, under the whole token; results that are refusals are never kept. So nobody who cannot
   have tokens signed can fill it, and two tokens are the same only if they are equal, letter by letter.
2. An entry counts only with the very key set and the very policy that it was verified with, and before it expires: at
   the token's `exp`, and never later than a fixed time. Revocation is looked at after the cache, at every call.
3. What comes out cannot be changed by those who share it.
4. It is bounded in bytes. When there is no room, what has expired goes first; then the account that has the most
   entries gives up its oldest. Whoever collects valid tokens pushes out his own.

Bytes: `sys.getsizeof` of the token, of the caller and of everything that the caller alone holds, and `ENTRY_BYTES` for
what it takes to keep them (entry, slots of three dictionaries, the account's share). What many callers have in common
(roles, scope, audience, client) is kept once, in a sixteenth of the room.
"""

import sys
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

import msgspec

from ostiary.domain.caller import Caller
from ostiary.jose import KeySet, Policy

if TYPE_CHECKING:
    from ostiary.verifier.status_lists import Reference

ENTRY_BYTES = 420
_SHARED_PART = 16
_SWEEP_SECONDS = 1.0  # between looks at what has expired: a flood must not pay for one with every token


Common = TypeVar("Common", frozenset[str], tuple[str, ...], str)


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One verified token. `kid` is the key that signed it; `expires_at` wall time."""

    caller: Caller
    kid: str
    keys: KeySet
    policy: Policy
    expires_at: float
    size: int
    status: "Reference | None" = None


class TokenCache:
    """Looking up takes no lock and changes nothing, so it may be done from any thread."""

    def __init__(self, *, size: int) -> None:
        self._shared_room = size // _SHARED_PART
        self._room = size - self._shared_room
        self._bytes = 0
        self._shared_bytes = 0
        self._shared: dict[object, object] = {}
        self._entries: dict[str, Entry] = {}
        self._tokens_of: dict[str, dict[str, None]] = {}  # account -> its tokens, the oldest first
        self._accounts_with: dict[int, dict[str, None]] = {}  # number of tokens -> accounts that have so many
        self._most = 0
        self._swept_at = float("-inf")
        self._lock = Lock()

    def get(self, token: str, keys: KeySet, policy: Policy, now: float) -> Entry | None:
        """The entry, if it counts at `now` (rule 2)."""
        entry = self._entries.get(token)
        if entry is None or entry.keys is not keys or entry.policy is not policy or now >= entry.expires_at:
            return None
        return entry

    def share(self, value: Common) -> Common:
        """`value`, or the equal one that other callers already have. Only for what was verified."""
        known = self._shared.get(value)
        if known is not None and known.__class__ is value.__class__:
            return known
        size = _size(value) + _SLOT_BYTES
        with self._lock:
            if value not in self._shared and self._shared_bytes + size <= self._shared_room:
                self._shared[value] = value
                self._shared_bytes += size
        return value

    def put(
        self,
        token: str,
        caller: Caller,
        kid: str,
        *,
        keys: KeySet,
        policy: Policy,
        expires_at: float,
        now: float,
        status: "Reference | None" = None,
    ) -> None:
        """Remember a token that was verified just now."""
        size = self.size_of(token, caller) + (sum(map(sys.getsizeof, (status, *status))) if status else 0)
        if size > self._room or now >= expires_at:
            return
        entry = Entry(caller, kid, keys, policy, expires_at, size, status)
        with self._lock:
            self._drop(token)
            if self._bytes + size > self._room:
                self._make_room(size, now)
            self._entries[token] = entry
            self._bytes += size
            tokens = self._tokens_of.setdefault(caller.account_id, {})
            tokens[token] = None
            self._rank(caller.account_id, len(tokens) - 1, len(tokens))

    def discard(self, token: str) -> None:
        """Forget one token, if it is there."""
        if token in self._entries:
            with self._lock:
                self._drop(token)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            for kept in (self._entries, self._tokens_of, self._accounts_with, self._shared):
                kept.clear()
            self._bytes = self._shared_bytes = self._most = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        """As counted; never more than the bound."""
        return self._bytes + self._shared_bytes

    def size_of(self, token: str, caller: Caller) -> int:
        """Bytes that remembering this takes, beyond what is shared."""
        size = ENTRY_BYTES + sum(map(sys.getsizeof, (token, caller, caller.account_id, caller.session_id)))
        size += sys.getsizeof(caller.auth_time) + sys.getsizeof(caller.expires_at)
        size += sys.getsizeof(caller.key_thumbprint) if caller.key_thumbprint is not None else 0
        for value in (caller.client_id, caller.roles, caller.scope, caller.audience, caller.act):
            if self._shared.get(value) is not value:
                size += _size(value)
        return size

    def _make_room(self, size: int, now: float) -> None:
        if now >= self._swept_at + _SWEEP_SECONDS or now < self._swept_at:
            self._swept_at = now
            for token in [token for token, entry in self._entries.items() if now >= entry.expires_at]:
                self._drop(token)
        while self._bytes + size > self._room:
            account = next(iter(self._accounts_with[self._most]))
            self._drop(next(iter(self._tokens_of[account])))

    def _drop(self, token: str) -> None:
        entry = self._entries.pop(token, None)
        if entry is None:
            return
        self._bytes -= entry.size
        account = entry.caller.account_id
        tokens = self._tokens_of[account]
        del tokens[token]
        self._rank(account, len(tokens) + 1, len(tokens))
        if not tokens:
            del self._tokens_of[account]

    def _rank(self, account: str, before: int, after: int) -> None:
        if before:
            accounts = self._accounts_with[before]
            del accounts[account]
            if not accounts:
                del self._accounts_with[before]
        if after:
            self._accounts_with.setdefault(after, {})[account] = None
        self._most = max(self._most, after)
        if self._most not in self._accounts_with:  # it lost its last account, which now has one token less
            self._most = after


_SLOT_BYTES = 100  # of a dictionary that has just grown


def _size(value: frozenset[str] | tuple[str, ...] | str) -> int:
    members = () if isinstance(value, str) else value
    return sys.getsizeof(value) + sum(map(sys.getsizeof, members))
