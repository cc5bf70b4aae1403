"""The issuer's signing keys: made, published before they sign, rotated, retired, revoked."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ostiary import jose, limits
from ostiary.credentials.derived_keys import seal, unseal
from ostiary.domain.account import Issuer
from ostiary.domain.audit import Event
from ostiary.domain.signing_key import ENCRYPTION_ALGORITHM, KeyState, SigningKey
from ostiary.errors import InvalidRequest, Misconfigured, NotFound
from ostiary.revocation.entry import KEY_REVOKED, KEYS_CHANGED, Entry, Scope
from ostiary.services.context import Context, Ended, judged_again
from ostiary.services.key_use import KeyUse, uses
from ostiary.stores.port import Add, Append, Change, Swap

_CONTENT_ENCRYPTION = ("A256GCM",)
_NONE = jose.EncryptionKeySet(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """The keys of one moment: what signs, what verifies, what is published. Replaced whole, never changed."""

    signer: jose.Key
    key_sets: tuple[jose.KeySet, ...]
    jwks: bytes
    hider: jose.EncryptionKey | None = None
    hiders: jose.EncryptionKeySet = _NONE

    def verify_signature(self, token: str) -> jose.Verified:
        """Raises `jose.JoseError`. More than one set only while HS256 and an asymmetric algorithm overlap: a set has
        one symmetry."""
        *others, last = self.key_sets
        for keys in others:
            with contextlib.suppress(jose.UnknownKey, jose.AlgorithmNotAllowed):
                return jose.verify_signature(token, keys)
        return jose.verify_signature(token, last)

    def hide(self, token: str, random: Callable[[int], bytes]) -> str:
        """A signed token, encrypted to ourselves. Raises Misconfigured if there is no key to do it with: a token is
        never sent in the clear instead."""
        if self.hider is None:
            raise Misconfigured("No encryption key is active.")
        return jose.encrypt_token(token, self.hider, random=random)

    def show(self, token: str) -> str:
        """The signed token inside one that we encrypted: to be verified now. Raises `jose.JoseError`."""
        return jose.decrypt_token(token, self.hiders)


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
            self._ring = self._read(await self._current(serving=serving))

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

    async def rotate(self, *, actor: str | None = None) -> SigningKey:
        """The next key signs from now on, the present one only verifies, and a new next one is published."""

        async def attempt() -> SigningKey | None:
            issuer = await self._context.store.issuer()
            return await self._rotate(issuer, await self.all(), self._context.now(), actor)

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
            return True if await self._rotate(issuer, records, now, "system") is not None else None

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
        self, issuer: Issuer, records: list[SigningKey], now: float, actor: str | None
    ) -> SigningKey | None:
        """None if somebody else wrote in between."""
        active, changes = self._rotated(records, self._context.policy.signing_algorithm, now)
        if _active(records, encrypts=True):  # whatever this process's setting: a server beside it may use them
            changes += self._rotated(records, ENCRYPTION_ALGORITHM, now)[1]
        changes += [self._changed(now), self._audit(Event.KEY_ROTATED, now, active.id, actor)]
        return active if await self._write_serialised(issuer, *changes) else None

    async def retire(self, kid: str, *, actor: str | None = None) -> SigningKey:
        """Nothing that this key signed is accepted from now on. Only for a key that no longer signs: rotate first."""

        async def attempt() -> SigningKey | None:
            issuer = await self._context.store.issuer()
            now = self._context.now()
            key = await self._find(kid)
            if key.state is not KeyState.RETIRING:
                raise InvalidRequest(f"Only a retiring key can be retired; this one is {key.state}. Rotate first.")
            retired = replace(key, state=KeyState.RETIRED, ended_at=now, sealed=b"")
            written = await self._write_serialised(
                issuer, Swap(retired), self._refused(kid, now), self._audit(Event.KEY_RETIRED, now, kid, actor)
            )
            return retired if written else None

        key = await judged_again(attempt)
        await self.reload()
        return key

    async def revoke(self, kid: str, *, actor: str | None = None) -> Ended:
        """Emergency: refuse all that this key signed, at once. If it is the one that signs, the next takes over.

        What an encryption key hid can no longer be read, so it is refused where it is not remembered yet; what was
        remembered is still genuine, and is so until it expires."""

        async def attempt() -> Ended | None:
            issuer = await self._context.store.issuer()
            now = self._context.now()
            key = await self._find(kid)
            if key.state is KeyState.REVOKED:
                return self._context.ended(0)
            revoked = replace(key, state=KeyState.REVOKED, ended_at=now, sealed=b"")
            changes: list[Change] = [Swap(revoked), self._audit(Event.KEY_REVOKED, now, kid, actor)]
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
            return self._context.ended(1) if await self._write_serialised(issuer, *changes) else None

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

    async def _write_serialised(self, issuer: Issuer, *changes: Change) -> bool:
        """Swapping the issuer's record, as it was before the keys were read, keeps two from both making one active."""
        return await self._context.write(Swap(issuer), *changes)

    async def _find(self, kid: str) -> SigningKey:
        for key in await self.all():
            if key.id == kid:
                return key
        raise NotFound("No signing key has this id.")

    def _new(self, now: float, state: KeyState, algorithm: str) -> SigningKey:
        key = (
            jose.EncryptionKey.generate(algorithm, random=self._context.random)
            if algorithm == ENCRYPTION_ALGORITHM
            else jose.Key.generate(algorithm)
        )
        kid = key.thumbprint()
        private = json.dumps(key.to_jwk(private=True)).encode()
        return SigningKey(
            id=kid,
            algorithm=algorithm,
            state=state,
            public_jwk="" if key.symmetric else json.dumps(key.to_jwk()),
            sealed=seal(self._context.derived.seal, private, context=kid, nonce=self._context.random(12)),
            created_at=now,
        )

    def _open(self, record: SigningKey) -> jose.Key:
        return jose.Key.from_jwk(self._unsealed(record), alg=record.algorithm)

    def _open_hider(self, record: SigningKey) -> jose.EncryptionKey:
        return jose.EncryptionKey.from_jwk(self._unsealed(record), alg=record.algorithm, encs=_CONTENT_ENCRYPTION)

    def _unsealed(self, record: SigningKey) -> bytes:
        return unseal(self._context.derived.seal, record.sealed, context=record.id)

    def _read(self, records: list[SigningKey]) -> Ring:
        signer: jose.Key | None = None
        public_keys: list[jose.Key] = []
        secret_keys: list[jose.Key] = []
        published: list[dict[str, Any]] = []
        hider: jose.EncryptionKey | None = None
        hiders: list[jose.EncryptionKey] = []
        for record in records:
            if not record.verifies:
                continue
            if record.encrypts:
                hiders.append(self._open_hider(record))
                hider = hiders[-1] if record.state is KeyState.ACTIVE else hider
                continue
            if record.state is KeyState.ACTIVE:
                signer = self._open(record)
            if record.is_published:
                public = json.loads(record.public_jwk)
                published.append(public | {"use": "sig", "alg": record.algorithm, "kid": record.id})
                public_keys.append(jose.Key.from_jwk(public, alg=record.algorithm))
            else:
                secret_keys.append(self._open(record))
        if signer is None:
            raise Misconfigured("No signing key is active.")
        key_sets = tuple(jose.KeySet(keys) for keys in (public_keys, secret_keys) if keys)
        return Ring(
            signer=signer,
            key_sets=key_sets,
            jwks=json.dumps({"keys": published}).encode(),
            hider=hider,
            hiders=jose.EncryptionKeySet(hiders),
        )

    def _changed(self, now: float) -> Append:
        return Append(Entry(scope=Scope.KEY, id="", value=KEYS_CHANGED, until=self._context.keep_until(now, now)))

    def _refused(self, kid: str, now: float) -> Append:
        """What this key signed is refused, also where it was recognised before."""
        until = self._context.keep_until(now + self._longest_life(), now)
        return Append(Entry(scope=Scope.KEY, id=kid, value=KEY_REVOKED, until=until))

    def _longest_life(self) -> float:
        lifetimes = self._context.policy.lifetimes
        return max(lifetimes.access_token, lifetimes.stateful_token, lifetimes.one_time)

    def _audit(self, event: Event, now: float, kid: str, actor: str | None) -> Change:
        return self._context.audit(event, now, actor=actor or "system", kid=kid)


def _active(records: list[SigningKey], *, encrypts: bool) -> list[SigningKey]:
    return [key for key in records if key.state is KeyState.ACTIVE and key.encrypts is encrypts]


def _upcoming(records: list[SigningKey], algorithm: str) -> SigningKey | None:
    return next((key for key in records if key.state is KeyState.UPCOMING and key.algorithm == algorithm), None)
