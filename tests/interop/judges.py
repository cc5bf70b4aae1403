"""How four libraries judge a token: claims if it is accepted, None if it is refused. All with the same key, algorithm,
issuer, audience, leeway and moment."""

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from functools import cache
from typing import Any

import jwt as pyjwt
import pytest
from joserfc import jwe as foreign_jwe
from joserfc import jwk as foreign_jwk
from joserfc import jwt as foreign_jwt
from joserfc.errors import JoseError as ForeignError
from joserfc.jws import JWSRegistry
from tests.interop.mutations import SIGNERS
from tests.interop.node_peer import NodePeer
from tests.unit.jose.forge import AUDIENCE, ISSUER, NOW, POLICY

from ostiary import jose

LEEWAY = 30  # seconds; ours has none for `exp`, so on that side all others are more lenient
Said = dict[str, Any] | None
REFUSALS = (ForeignError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)
"""joserfc's own and what it lets through."""


@contextmanager
def at_now(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """PyJWT reads the system's clock; here it reads `NOW`."""

    class Stopped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(NOW, tz or UTC)

    with monkeypatch.context() as patched:
        patched.setattr("jwt.api_jwt.datetime", Stopped)
        yield


def ours(token: str, alg: str) -> Said:
    """The only one whose exceptions are not caught: any but our own fails the test."""
    try:
        return dict(jose.verify(token, SIGNERS[alg], POLICY, now=NOW))
    except jose.TokenRejected:
        return None


def jwk_of(alg: str, *, private: bool = False) -> dict[str, Any]:
    return SIGNERS[alg].to_jwk(private=private or SIGNERS[alg].symmetric)


@cache
def _joserfc(alg: str) -> tuple[Any, JWSRegistry, foreign_jwt.JWTClaimsRegistry]:
    class Roomy(JWSRegistry):
        max_header_length = 8192  # its own 512 bytes would refuse more than we want to compare

    essential = {"iss": {"essential": True, "value": ISSUER}, "aud": {"essential": True, "value": AUDIENCE}}
    registry = foreign_jwt.JWTClaimsRegistry(now=int(NOW), leeway=LEEWAY, exp={"essential": True}, **essential)
    return foreign_jwk.import_key(jwk_of(alg)), Roomy(algorithms=[alg], strict_check_header=False), registry


def joserfc(token: str, alg: str) -> Said:
    key, lenient, registry = _joserfc(alg)
    try:
        decoded = foreign_jwt.decode(token, key, registry=lenient)
        registry.validate(decoded.claims)
    except REFUSALS:
        return None
    return decoded.claims


@cache
def _pyjwt(alg: str) -> pyjwt.PyJWK:
    return pyjwt.PyJWK(jwk_of(alg))


PYJWT_LACKS = ("Ed25519",)


def pyjwt_says(token: str, alg: str) -> Said:
    try:
        return pyjwt.decode(
            token, _pyjwt(alg), algorithms=[alg], audience=AUDIENCE, issuer=ISSUER, leeway=LEEWAY,
            options={"require": ["exp", "iss", "aud"]},
        )  # fmt: skip
    except (pyjwt.PyJWTError, ValueError, TypeError, RecursionError, OverflowError):
        return None


def node_jose(node: NodePeer, tokens: Sequence[str], alg: str) -> list[Said]:
    name = node.learn(alg, jwk_of(alg, private=True), alg)
    policy = {"now": NOW, "issuer": ISSUER, "audience": AUDIENCE, "typ": POLICY.type, "leeway": LEEWAY}
    found: list[Said] = node.ask(do="verify", lib="jose", name=name, tokens=tokens, policy=policy)
    return found


def our_plaintext(token: str, key: jose.EncryptionKey) -> bytes | None:
    try:
        return jose.decrypt(token, key).plaintext
    except jose.TokenRejected:
        return None


@cache
def _joserfc_encrypted(key: jose.EncryptionKey) -> tuple[Any, foreign_jwe.JWERegistry]:
    members = {name: value for name, value in key.to_jwk(private=True).items() if name not in ("alg", "kid")}
    lenient = foreign_jwe.JWERegistry(algorithms=[key.alg, *key.encs], strict_check_header=False)
    return foreign_jwk.import_key(members), lenient


def joserfc_plaintext(token: str, key: jose.EncryptionKey) -> bytes | None:
    loaded, lenient = _joserfc_encrypted(key)
    try:
        return foreign_jwe.decrypt_compact(token, loaded, registry=lenient).plaintext
    except REFUSALS:
        return None


def node_plaintexts(node: NodePeer, tokens: Sequence[str], name: str, key: jose.EncryptionKey) -> list[bytes | None]:
    known = node.learn(name, key.to_jwk(private=True), key.alg)
    found = node.ask(do="decrypt", name=known, tokens=tokens)
    return [None if text is None else base64.b64decode(text) for text in found]


def same(one: Said, other: Said) -> bool:
    """The same claims, numbers compared as JavaScript has them."""
    return one is not None and other is not None and _floats(one) == _floats(other)


def _floats(value: Any) -> Any:
    match value:
        case bool() | str() | None:
            return value
        case int() | float():
            return float(value)
        case list():
            return [_floats(item) for item in value]
        case _:
            return {name: _floats(item) for name, item in value.items()}
