"""Whatever is thrown at it, JOSE answers with its own errors, and accepts only what was signed."""

import json
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.jose.forge import NOW, POLICY, b64, claims, good, header, key, resign

from ostiary import jose

SIGNER = key("HS256")
KEYS = jose.KeySet([SIGNER])
GOOD = good(SIGNER)
steady = settings(derandomize=True, max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def ask(token: Any) -> jose.Claims | None:
    """All entry points; None if refused. Anything but our own refusal fails the test."""
    accepted = None
    for keys in (SIGNER, KEYS):
        with suppress(jose.TokenRejected):
            accepted = jose.verify(token, keys, POLICY, now=NOW)
    try:
        jose.decode_unverified(token)
    except jose.MalformedToken:
        assert accepted is None
    with suppress(jose.TokenRejected):
        jose.verify_proof(token, typ="at+jwt", algorithms=("ES256", "HS256"))
    return accepted


@steady
@given(st.text(max_size=300) | st.text("AQgw-_.=+/{}\n", max_size=80) | st.binary(max_size=80))
def test_any_text(token: str | bytes) -> None:
    """No text, and no bytes, is a token by chance or breaks anything."""
    assert ask(token) is None


@steady
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 3), st.text(st.characters(), min_size=1, max_size=3))
def test_a_damaged_token(place: int, how: int, text: str) -> None:
    """A good token with characters replaced, inserted, removed or cut is refused."""
    damaged = (
        GOOD[:place] + text + GOOD[place + len(text) :],
        GOOD[:place] + text + GOOD[place:],
        GOOD[:place] + GOOD[place + len(text) :],
        GOOD[:place],
    )[how]
    assert damaged == GOOD or ask(damaged) is None


@steady
@given(st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jwk", "x"]), json_values, max_size=4))
def test_any_header_under_a_good_signature(changes: dict[str, Any]) -> None:
    """A signer may put any JSON into the header: it is accepted only if nothing that counts was changed."""
    members = header(SIGNER, **changes)
    body = b64(json.dumps(claims()).encode())
    accepted = ask(resign(f"{b64(json.dumps(members).encode())}.{body}", SIGNER))
    if accepted is not None:
        assert {"crit", "b64", "jwk"}.isdisjoint(members)
        assert members["alg"] == "HS256"
        assert members["typ"].lower().removeprefix("application/") == "at+jwt"


@steady
@given(
    st.dictionaries(st.sampled_from(["iss", "aud", "exp", "nbf", "iat", "sub", "jti", "x"]), json_values, max_size=4)
)
def test_any_claims_under_a_good_signature(changes: dict[str, Any]) -> None:
    """A signer may put any JSON into the payload: what is accepted obeys the policy."""
    members = claims(**changes)
    accepted = ask(resign(f"{b64(json.dumps(header(SIGNER)).encode())}.{b64(json.dumps(members).encode())}", SIGNER))
    if accepted is not None:
        assert accepted["iss"] == POLICY.issuer
        assert accepted["exp"] > NOW
        assert type(accepted["exp"]) in (int, float)


@steady
@given(st.binary(max_size=120), st.binary(max_size=120))
def test_any_bytes_under_a_good_signature(head: bytes, body: bytes) -> None:
    """Header and payload of arbitrary bytes are refused, however well they are signed."""
    assert ask(resign(f"{b64(head)}.{b64(body)}", SIGNER)) is None


JWK_MEMBERS = ["kty", "alg", "use", "key_ops", "kid", "crv", "x", "y", "d", "n", "e", "k", "p"]
JWK_WORDS = ["EC", "RSA", "OKP", "oct", "P-256", "ES256", "HS256", "AQAB", "sig"]


@settings(steady, max_examples=100)
@given(
    st.dictionaries(st.sampled_from(JWK_MEMBERS), json_values | st.sampled_from(JWK_WORDS)),
    st.sampled_from(["ES256", "RS256", "EdDSA", "HS256"]),
)
def test_any_jwk(changes: dict[str, Any], alg: str) -> None:
    """A JWK with arbitrary members is a key or `InvalidKey`."""
    members = {**key(alg).to_jwk(private=True), **changes}
    for form in (members, json.dumps(members), json.dumps({"keys": [members]})):
        for load in (jose.Key.from_jwk, jose.KeySet.from_jwks):
            with suppress(jose.InvalidKey):
                load(form)


@steady
@given(json_values | st.dictionaries(st.text(max_size=8), json_values, max_size=5))
def test_what_can_be_signed_can_be_read(value: Any) -> None:
    """Whatever `sign` agrees to sign, `decode_unverified` reads back as it was."""
    try:
        token = jose.sign({"x": value}, SIGNER)
    except jose.Unsignable:
        return
    assert jose.decode_unverified(token).claims == {"x": value}
