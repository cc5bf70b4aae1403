"""The issuer's signing keys: made, published before they sign, rotated, retired, revoked."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from ostiary import limits
from ostiary.domain.account import Issuer
from ostiary.domain.audit import Event
from ostiary.domain.signing_key import ENCRYPTION_ALGORITHM, KeyState, SigningKey
from ostiary.errors import InvalidRequest, Misconfigured, NotFound
from ostiary.revocation.entry import KEY_REVOKED, KEYS_CHANGED, Entry, Scope
from ostiary.services.asking import Actor, name_of, still_may
from ostiary.services.context import Context, Ended, judged_again
from ostiary.services.key_ring import Ring, new_key, ring_of
from ostiary.services.key_use import KeyUse, uses
from ostiary.stores.port import Add, Append, Change, Swap


class SigningKeys:
    """Use cases of signing keys, and of the keys that hide stateless tokens, which live and rotate with them. `ring` is
    what the rest of the process uses."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ring: Ring | None = None
        self._loading = asyncio.Lock()

    @property
    def ring(self) -> Ring:
        """Raises Misconfigured before `load`."""
        if self._ring is None:
            raise Misconfigured(private="the signing keys have not been loaded")
        return self._ring

    async def all(self) -> list[SigningKey]:
        """Every key that the store remembers, the oldest first."""
        return sorted(await self._context.store.signing_keys.all(), key=lambda key: key.created_at)

    async def uses(self) -> dict[str, KeyUse]:
        """What depends on each of them, by id."""
        return await uses(self._context, await self.all())

    async def load(self, *, serving: bool) -> None:
        """Read the keys; make the first ones if there are none, and for a process that serves, ones of the algorithm
        that is now configured. One after the other, so that keys which were read first never replace newer ones."""
        async with self._loading:
            self._ring = ring_of(await self._current(serving=serving), self._context.derived.seal)

    async def reload(self) -> None:
        """Read the keys again: another process changed them, or the store was emptied and needs its first ones."""
        await self.load(serving=False)

    async def _current(self, *, serving: bool) -> list[SigningKey]:
        records = await self.all()
        active = _active(records, encrypts=False)
        if not active or (serving and active[-1].algorithm != self._context.policy.signing_algorithm):
            await self._begin()
            records = await self.all()
        if self._context.policy.encrypt_stateless and not _active(records, encrypts=True):
            await self._begin_hiding()
            records = await self.all()
        return records

    async def rotate(self, *, actor: Actor = "system") -> SigningKey:
        """The next key signs from now on, the present one only verifies, and a new next one is published."""

        async def attempt() -> SigningKey | None:
            conditions = await still_may(self._context, actor)
            issuer = await self._context.store.issuer()
            return await self._rotate(issuer, await self.all(), self._context.now(), name_of(actor), conditions)

        key = await judged_again(attempt)
        await self.reload()
        return key

    async def rotate_due(self, now: float) -> bool:
        """Housekeeping: rotate if the key that signs has done so for `signing_key_lifetime`, and the next one has been
        published for as long as a verifier may go by what it fetched. Whether it did. Of several processes that find
        it due, one does: the others then find a key that has just begun."""

        async def attempt() -> bool | None:
            issuer = await self._context.store.issuer()
            records = await self.all()
            if not self._is_due(records, now):
                return False
            return True if await self._rotate(issuer, records, now, "system", []) is not None else None

        if not await judged_again(attempt):
            return False
        await self.reload()
        return True

    def _is_due(self, records: list[SigningKey], now: float) -> bool:
        lifetime = self._context.policy.signing_key_lifetime
        active = _active(records, encrypts=False)
        upcoming = _upcoming(records, self._context.policy.signing_algorithm)
        if not lifetime or not active or upcoming is None:
            return False
        began = active[-1].activated_at or active[-1].created_at
        return now >= began + lifetime and now >= upcoming.created_at + limits.KEY_SET_SECONDS_MAX

    async def _rotate(
        self, issuer: Issuer, records: list[SigningKey], now: float, actor: str, conditions: list[Change]
    ) -> SigningKey | None:
        """None if somebody else wrote in between."""
        active, changes = self._rotated(records, self._context.policy.signing_algorithm, now)
        if _active(records, encrypts=True):  # whatever this process's setting: a server beside it may use them
            changes += self._rotated(records, ENCRYPTION_ALGORITHM, now)[1]
        changes += [self._changed(now), self._audit(Event.KEY_ROTATED, now, active.id, actor)]
        return active if await self._write_serialised(issuer, *changes, conditions=conditions) else None

    async def retire(self, kid: str, *, actor: Actor = "system") -> SigningKey:
        """Nothing that this key signed is accepted from now on. Only for a key that no longer signs: rotate first."""

        async def attempt() -> SigningKey | None:
            conditions = await still_may(self._context, actor)
            issuer = await self._context.store.issuer()
            now = self._context.now()
            key = await self._find(kid)
            if key.state is not KeyState.RETIRING:
                raise InvalidRequest(f"Only a retiring key can be retired; this one is {key.state}. Rotate first.")
            retired = replace(key, state=KeyState.RETIRED, ended_at=now, sealed=b"")
            written = await self._write_serialised(
                issuer,
                Swap(retired),
                self._refused(kid, now),
                self._audit(Event.KEY_RETIRED, now, kid, name_of(actor)),
                conditions=conditions,
            )
            return retired if written else None

        key = await judged_again(attempt)
        await self.reload()
        return key

    async def revoke(self, kid: str, *, actor: Actor = "system") -> Ended:
        """Emergency: refuse all that this key signed, at once. If it is the one that signs, the next takes over.

        What an encryption key hid can no longer be read, so it is refused where it is not remembered yet; what was
        remembered is still genuine, and is so until it expires."""

        async def attempt() -> Ended | None:
            conditions = await still_may(self._context, actor)
            issuer = await self._context.store.issuer()
            now = self._context.now()
            key = await self._find(kid)
            if key.state is KeyState.REVOKED:
                return self._context.ended(0)
            revoked = replace(key, state=KeyState.REVOKED, ended_at=now, sealed=b"")
            changes: list[Change] = [Swap(revoked), self._audit(Event.KEY_REVOKED, now, kid, name_of(actor))]
            others = [other for other in await self.all() if other.id != kid]
            algorithm = key.algorithm if key.encrypts else self._context.policy.signing_algorithm
            upcoming = _upcoming(others, algorithm)
            if key.state is KeyState.ACTIVE:
                if upcoming is None:
                    changes.append(Add(replace(self._new(now, KeyState.ACTIVE, algorithm), activated_at=now)))
                else:
                    changes.append(Swap(replace(upcoming, state=KeyState.ACTIVE, activated_at=now)))
            if key.state in (KeyState.ACTIVE, KeyState.UPCOMING):
                changes.append(Add(self._new(now, KeyState.UPCOMING, algorithm)))
            changes.append(self._refused(kid, now))
            written = await self._write_serialised(issuer, *changes, conditions=conditions)
            return self._context.ended(1) if written else None

        ended = await judged_again(attempt)
        await self.reload()
        return ended

    async def retire_finished(self, now: float) -> int:
        """Housekeeping: retire keys whose last token has expired."""
        longest = self._longest_life()
        finished = [
            key
            for key in await self.all()
            if key.state is KeyState.RETIRING and (key.retiring_at or 0.0) + longest + 60.0 <= now
        ]
        for key in finished:
            await self.retire(key.id, actor="system")
        return len(finished)

    async def _begin(self) -> None:
        async def attempt() -> bool | None:
            issuer = await self._context.store.issuer()
            now = self._context.now()
            records = [key for key in await self.all() if not key.encrypts]
            algorithm = self._context.policy.signing_algorithm
            active = _active(records, encrypts=False)
            if active and active[-1].algorithm == algorithm:
                return True  # another process was quicker
            first, changes = self._first(algorithm, now)
            changes += [Swap(replace(key, state=KeyState.RETIRING, retiring_at=now)) for key in active]
            changes += [
                Swap(replace(key, state=KeyState.RETIRED, ended_at=now, sealed=b""))
                for key in records
                if key.state is KeyState.UPCOMING
            ]
            changes += [self._changed(now), self._audit(Event.KEY_CREATED, now, first.id, "system")]
            return True if await self._write_serialised(issuer, *changes) else None

        await judged_again(attempt)

    async def _begin_hiding(self) -> None:
        async def attempt() -> bool | None:
            issuer = await self._context.store.issuer()
            now = self._context.now()
            if _active(await self.all(), encrypts=True):
                return True  # another process was quicker
            first, changes = self._first(ENCRYPTION_ALGORITHM, now)
            changes += [self._changed(now), self._audit(Event.KEY_CREATED, now, first.id, "system")]
            return True if await self._write_serialised(issuer, *changes) else None

        await judged_again(attempt)

    def _first(self, algorithm: str, now: float) -> tuple[SigningKey, list[Change]]:
        first = replace(self._new(now, KeyState.ACTIVE, algorithm), activated_at=now)
        return first, [Add(first), Add(self._new(now, KeyState.UPCOMING, algorithm))]

    def _rotated(self, records: list[SigningKey], algorithm: str, now: float) -> tuple[SigningKey, list[Change]]:
        """The key of `algorithm` that is active from now on, and what has to be written for it."""
        upcoming = _upcoming(records, algorithm)
        changes: list[Change] = [Add(self._new(now, KeyState.UPCOMING, algorithm))]
        if upcoming is None:
            active = replace(self._new(now, KeyState.ACTIVE, algorithm), activated_at=now)
            changes.append(Add(active))
        else:
            active = replace(upcoming, state=KeyState.ACTIVE, activated_at=now)
            changes.append(Swap(active))
        changes += [
            Swap(replace(key, state=KeyState.RETIRING, retiring_at=now))
            for key in _active(records, encrypts=active.encrypts)
        ]
        return active, changes

    async def _write_serialised(self, issuer: Issuer, *changes: Change, conditions: Iterable[Change] = ()) -> bool:
        """Swapping the issuer's record, as it was before the keys were read, keeps two from both making one active."""
        return await self._context.write(*conditions, Swap(issuer), *changes)

    async def _find(self, kid: str) -> SigningKey:
        for key in await self.all():
            if key.id == kid:
                return key
        raise NotFound("No signing key has this id.")

    def _new(self, now: float, state: KeyState, algorithm: str) -> SigningKey:
        return new_key(algorithm, state, now, sealing=self._context.derived.seal, random=self._context.random)

    def _changed(self, now: float) -> Append:
        return Append(Entry(scope=Scope.KEY, id="", value=KEYS_CHANGED, until=self._context.keep_until(now, now)))

    def _refused(self, kid: str, now: float) -> Append:
        """What this key signed is refused, also where it was recognised before."""
        until = self._context.keep_until(now + self._longest_life(), now)
        return Append(Entry(scope=Scope.KEY, id=kid, value=KEY_REVOKED, until=until))

    def _longest_life(self) -> float:
        lifetimes = self._context.policy.lifetimes
        return max(lifetimes.longest_access_token, lifetimes.one_time)

    def _audit(self, event: Event, now: float, kid: str, actor: str) -> Change:
        return self._context.audit(event, now, actor=actor, kid=kid)


def _active(records: list[SigningKey], *, encrypts: bool) -> list[SigningKey]:
    return [key for key in records if key.state is KeyState.ACTIVE and key.encrypts is encrypts]


def _upcoming(records: list[SigningKey], algorithm: str) -> SigningKey | None:
    return next((key for key in records if key.state is KeyState.UPCOMING and key.algorithm == algorithm), None)
