"""Verifying one JWT and its claims at first sight: nothing about the token is remembered, only keys and headers are."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from benchmarks.report import Row
from benchmarks.sample import HS256_KEY, claims
from benchmarks.stats import number, spread
from ostiary import jose

ISSUER = "https://auth.example.com"
TOKENS = 1000
ROUNDS = 40
Verify = Callable[[Any], object]


def microseconds(verify: Verify, inputs: Sequence[Any]) -> float:
    """Processor time for each of `inputs`."""
    clock = time.thread_time_ns
    began = clock()
    for item in inputs:
        verify(item)
    return (clock() - began) / len(inputs) / 1000


def interleaved(contenders: dict[str, tuple[Verify, Sequence[Any]]], rounds: int) -> dict[str, list[float]]:
    """Microseconds of each contender in each round, a tenth of the inputs at a time."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for at in range(rounds):
        for name, (verify, inputs) in contenders.items():
            tenth = len(inputs) // 10
            start = at % 10 * tenth
            found[name].append(microseconds(verify, inputs[start : start + tenth]))
    return found


def _ratio(what: str, found: dict[str, list[float]], ours: str, base: str, note: str, at_most: float | None) -> Row:
    ratios = [one / two for one, two in zip(found[ours], found[base], strict=True)]
    return Row(
        what=what,
        reached=min(found[ours]) / min(found[base]),
        unit="x",
        at_most=at_most,
        spread=f"{spread(ratios)}; {number(min(found[ours]))} us / {number(min(found[base]))} us",
        note=note,
        detail={name: min(values) for name, values in found.items()},
    )


def _hs256(now: int) -> dict[str, tuple[Verify, Sequence[Any]]]:
    from joserfc import jwt as joserfc_jwt
    from joserfc.jwk import OctKey

    key = jose.Key.from_secret(HS256_KEY, "HS256")
    policy = jose.Policy(issuer=ISSUER, audience=ISSUER, type="JWT", required=("sub",))
    tokens = [jose.sign(claims(ISSUER, at, now), key) for at in range(TOKENS)]
    oct_key = OctKey.import_key(HS256_KEY)
    registry = joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": ISSUER}, exp={"essential": True},
        sub={"essential": True},
    )  # fmt: skip

    def joserfc(token: str) -> object:
        found = joserfc_jwt.decode(token, oct_key, algorithms=["HS256"])
        registry.validate(found.claims)
        return found.claims["sub"]

    options = {"require": ["exp", "iss", "aud", "sub"]}
    return {
        "ostiary": (lambda token: jose.verify(token, key, policy)["sub"], tokens),
        "PyJWT": (
            lambda token: jwt.decode(
                token, HS256_KEY, algorithms=["HS256"], audience=ISSUER, issuer=ISSUER, options=options
            )["sub"],
            tokens,
        ),
        "joserfc": (joserfc, tokens),
    }  # fmt: skip


def jose_text(raw: bytes) -> str:
    """base64url, as a JWK has it."""
    import base64

    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _es256(now: int) -> dict[str, tuple[Verify, Sequence[Any]]]:
    private = ec.generate_private_key(ec.SECP256R1())
    numbers = private.private_numbers()
    jwk = {
        "kty": "EC", "crv": "P-256", "alg": "ES256",
        "x": jose_text(numbers.public_numbers.x.to_bytes(32, "big")),
        "y": jose_text(numbers.public_numbers.y.to_bytes(32, "big")),
        "d": jose_text(numbers.private_value.to_bytes(32, "big")),
    }  # fmt: skip
    signer = jose.Key.from_jwk(jwk)
    key = signer.public()
    policy = jose.Policy(issuer=ISSUER, audience=ISSUER, type="JWT", required=("sub",))
    tokens = [jose.sign(claims(ISSUER, at, now), signer) for at in range(TOKENS)]
    bare = []
    for token in tokens:
        signed, _, tail = token.rpartition(".")
        raw = jwt.utils.base64url_decode(tail)
        bare.append(
            (encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")), signed.encode())
        )
    public, scheme = private.public_key(), ec.ECDSA(hashes.SHA256())
    return {
        "ostiary": (lambda token: jose.verify(token, key, policy)["sub"], tokens),
        "cryptography": (lambda pair: public.verify(pair[0], pair[1], scheme), bare),
        "PyJWT": (
            lambda token: jwt.decode(token, public, algorithms=["ES256"], audience=ISSUER, issuer=ISSUER)["sub"],
            tokens,
        ),
    }  # fmt: skip


def run(say: Callable[[str], None]) -> list[Row]:
    """About 10 seconds."""
    say("tokens, verified at first sight ...")
    now = int(time.time())
    hs256 = interleaved(_hs256(now), 10 * ROUNDS)
    es256 = interleaved(_es256(now), 5 * ROUNDS)
    note = (
        f"{TOKENS} different tokens of 10 claims under one key: signature, iss, aud, exp and sub demanded by all. "
        "Cached: the parsed key and the header. Cheapest round against cheapest round; spread: in-round ratios."
    )
    return [
        _ratio("HS256 verify + claims / PyJWT", hs256, "ostiary", "PyJWT", note, 0.30),
        _ratio("HS256 peer: joserfc / PyJWT", hs256, "joserfc", "PyJWT", note, None),
        _ratio("ES256 verify + claims / bare cryptography", es256, "ostiary", "cryptography", note, 1.3),
        _ratio("ES256 peer: PyJWT / bare cryptography", es256, "PyJWT", "cryptography", note, None),
    ]
