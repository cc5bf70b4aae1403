"""Two other libraries as a second opinion: what they refuse, and we accept, would be a hole."""

import json
import random
import warnings
from collections import Counter
from typing import Any

import jwt as pyjwt
import pytest
from joserfc import jwk as foreign_jwk
from joserfc import jwt as foreign_jwt
from joserfc.errors import JoseError as ForeignError
from joserfc.jws import JWSRegistry
from tests.unit.jose.forge import AUDIENCE, ISSUER, NOW, POLICY, b64, claims, good, header, key, raw_token, unb64

from ostiary import jose

ALGS = ("HS256", "ES256", "EdDSA", "RS256", "PS256")
FAR = 4_000_000_000  # PyJWT reads the system's clock, so the tokens outlive it; `nbf` is left to joserfc


def ours(token: str, signer: jose.Key) -> dict[str, Any] | None:
    try:
        return dict(jose.verify(token, signer, POLICY, now=NOW))
    except jose.TokenRejected:
        return None


def joserfc_says(token: str, signer: jose.Key) -> dict[str, Any] | None:
    members = signer.to_jwk(private=signer.algorithm.symmetric)
    loaded = foreign_jwk.import_key(members)
    lenient = JWSRegistry(algorithms=[signer.alg], strict_check_header=False)
    registry = foreign_jwt.JWTClaimsRegistry(
        now=int(NOW),
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
        exp={"essential": True},
    )
    try:
        decoded = foreign_jwt.decode(token, loaded, registry=lenient)
        registry.validate(decoded.claims)
    except (ForeignError, ValueError, TypeError, RecursionError, AttributeError):
        return None
    return decoded.claims


def pyjwt_says(token: str, signer: jose.Key) -> dict[str, Any] | None:
    loaded = pyjwt.PyJWK(signer.to_jwk(private=signer.algorithm.symmetric))
    try:
        return pyjwt.decode(
            token,
            loaded,
            algorithms=[signer.alg],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": ["exp", "iss", "aud"], "verify_iat": False, "verify_nbf": False},
        )
    except (pyjwt.PyJWTError, ValueError, TypeError, RecursionError):
        return None


def mutated(chance: random.Random, signer: jose.Key) -> str:
    """A good token, or one with a fault in its text, header, claims or signature."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n"
    values: list[Any] = [
        None,
        True,
        0,
        1,
        -1,
        "",
        "x",
        [],
        {},
        int(NOW),
        FAR,
        str(FAR),
        1e400,
        [AUDIENCE],
        [AUDIENCE, 1],
        AUDIENCE,
        ISSUER,
        "at+jwt",
        "HS256",
        "none",
        "ES256",
    ]
    payload = claims(exp=FAR)
    match chance.randrange(7):
        case 0:
            return good(signer, exp=FAR, jti=str(chance.random()))
        case 1:
            payload[chance.choice(["iss", "aud", "exp", "nbf", "sub", "x"])] = chance.choice(values)
            return raw_token(header(signer), payload, signer)
        case 2:
            changed = {chance.choice(["alg", "typ", "kid", "crit", "b64", "cty", "x", "jku"]): chance.choice(values)}
            return raw_token(header(signer, **changed), payload, signer)
        case 3:
            head, body, tail = good(signer, exp=FAR).split(".")
            raw = bytearray(unb64(tail))
            raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
            return f"{head}.{body}.{b64(bytes(raw))}"
        case 4:
            text = json.dumps(payload)
            place = chance.randrange(len(text))
            broken = text[:place] + chance.choice('"{}[]:,0 \\') + text[place + chance.randrange(2) :]
            return raw_token(header(signer), broken.encode(), signer)
        case _:
            token = good(signer, exp=FAR)
            place = chance.randrange(len(token))
            return token[:place] + chance.choice(alphabet) + token[place + chance.randrange(2) :]


@pytest.mark.parametrize("alg", ALGS)
def test_we_accept_nothing_that_others_refuse(alg: str) -> None:
    """Of 600 tokens for each algorithm, each that we accept is accepted by joserfc and PyJWT with the same claims."""
    chance = random.Random(f"differential {alg}")
    signer = key(alg)
    seen: Counter[str] = Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(600):
            token = mutated(chance, signer)
            accepted, joserfc, other = ours(token, signer), joserfc_says(token, signer), pyjwt_says(token, signer)
            seen["accepted" if accepted is not None else "refused"] += 1
            if accepted is not None:
                assert accepted == joserfc == other, token
            elif joserfc is not None and other is not None:
                seen["stricter"] += 1
    assert seen["accepted"] > 60
    assert seen["refused"] > 300
    assert seen["stricter"] > 0


@pytest.mark.parametrize("alg", ALGS)
def test_others_sign_and_we_verify(alg: str) -> None:
    """A plain token of either library is accepted here, so the strictness costs no interoperability."""
    signer = key(alg)
    members = claims(exp=FAR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = pyjwt.PyJWK(signer.to_jwk(private=True))
        by_pyjwt = pyjwt.encode(members, loaded.key, algorithm=alg, headers={"typ": "at+jwt", "kid": signer.kid})
        foreign = foreign_jwk.import_key(signer.to_jwk(private=True))
        by_joserfc = foreign_jwt.encode(
            {"alg": alg, "typ": "at+jwt", "kid": signer.kid}, members, foreign, algorithms=[alg]
        )
    for token in (by_pyjwt, by_joserfc):
        assert ours(token, signer) == members
