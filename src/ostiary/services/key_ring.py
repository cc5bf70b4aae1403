"""Keys at work, which sign, verify and are published; and at rest, as records with the private half sealed."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ostiary import jose
from ostiary.credentials.derived_keys import seal, unseal
from ostiary.domain.signing_key import ENCRYPTION_ALGORITHM, KeyState, SigningKey
from ostiary.errors import Misconfigured

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


def new_key(
    algorithm: str, state: KeyState, now: float, *, sealing: bytes, random: Callable[[int], bytes]
) -> SigningKey:
    """A key that nobody has seen yet, as the store keeps it: the private half sealed, named by its thumbprint."""
    key = (
        jose.EncryptionKey.generate(algorithm, random=random)
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
        sealed=seal(sealing, private, context=kid, nonce=random(12)),
        created_at=now,
    )


def ring_of(records: list[SigningKey], sealing: bytes) -> Ring:
    """The keys of these records, the oldest first. Raises Misconfigured if none signs, or they were sealed with another
    secret."""
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
            private = unseal(sealing, record.sealed, context=record.id)
            hiders.append(jose.EncryptionKey.from_jwk(private, alg=record.algorithm, encs=_CONTENT_ENCRYPTION))
            hider = hiders[-1] if record.state is KeyState.ACTIVE else hider
            continue
        if record.state is KeyState.ACTIVE:
            signer = _opened(record, sealing)
        if record.is_published:
            public = json.loads(record.public_jwk)
            published.append(public | {"use": "sig", "alg": record.algorithm, "kid": record.id})
            public_keys.append(jose.Key.from_jwk(public, alg=record.algorithm))
        else:
            secret_keys.append(_opened(record, sealing))
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


def _opened(record: SigningKey, sealing: bytes) -> jose.Key:
    return jose.Key.from_jwk(unseal(sealing, record.sealed, context=record.id), alg=record.algorithm)
