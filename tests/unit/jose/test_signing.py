"""What is signed, decoded unverified, or proves possession."""

import datetime as dt
import enum
import json
import math
import subprocess
import sys
from collections import UserDict
from itertools import count
from typing import Any

import pytest
from tests.unit.jose.forge import NOW, POLICY, b64, claims, code_of, good, header, key, raw_token

from ostiary import jose
from ostiary.limits import JSON_DEPTH, JSON_MEMBERS

SIGNER = key("HS256")


class Kind(enum.StrEnum):
    SESSION = "session"


class OddText(str):
    __slots__ = ()


def test_what_is_signed_comes_back() -> None:
    """Plain JSON of every type survives, members keep their order, tuples become lists."""
    payload: dict[str, Any] = {
        "z": 1,
        "a": [1.5, None, True, 'é\n"\\'],
        "t": ("x", {"y": {}}),
        "k": Kind.SESSION,
        "big": 2**70,
    }
    token = jose.sign(payload, SIGNER)
    seen = jose.decode_unverified(token)
    assert list(seen.claims) == list(payload)
    assert seen.claims == {**payload, "t": ["x", {"y": {}}], "k": "session"}
    assert list(seen.header) == ["alg", "typ", "kid"]
    assert jose.sign(UserDict(payload), SIGNER) == token


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        b"x",
        {1, 2},
        dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        memoryview(b""),
        OddText("x"),
        1j,
        {1: 2},
        {None: 1},
        "\ud800",
        {"\ud800": 1},
        [math.nan],
        10**5000,
        {"a": [b"x"]},
        UserDict(),
        {str(n): n for n in range(JSON_MEMBERS + 1)},
    ],
    ids=map(str, count()),
)
def test_what_is_not_plain_json_is_not_signed(value: object) -> None:
    """What would come back as something else is refused, in claims and in headers."""
    with pytest.raises(jose.Unsignable):
        jose.sign({"x": value}, SIGNER)
    with pytest.raises(jose.Unsignable):
        jose.sign({}, SIGNER, headers={"x": value})


def test_signing_is_bounded() -> None:
    """Depth and breadth have the verifier's bounds; a list inside itself ends there too."""

    def deep(levels: int) -> object:
        return [deep(levels - 1)] if levels > 1 else []

    assert jose.decode_unverified(jose.sign({"x": deep(JSON_DEPTH - 1)}, SIGNER))
    with pytest.raises(jose.Unsignable):
        jose.sign({"x": deep(JSON_DEPTH)}, SIGNER)
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(jose.Unsignable):
        jose.sign({"x": endless}, SIGNER)
    for nothing in (None, [], "x", 1):
        with pytest.raises(jose.Unsignable):
            jose.sign(nothing, SIGNER)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["1", True, None, -1, 10**12])
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_only_dates_are_signed_as_dates(name: str, value: object) -> None:
    """M-27: nobody issues a token whose dates no verifier would read."""
    with pytest.raises(jose.Unsignable):
        jose.sign({name: value}, SIGNER)


@pytest.mark.parametrize("name", ["alg", "typ", "kid", "crit", "b64", "zip", "jwk", "jku", "x5u", "x5c"])
def test_headers_that_are_not_the_callers(name: str) -> None:
    """What a verifier would refuse, or what follows from the key, cannot be set by hand."""
    with pytest.raises(jose.Unsignable):
        jose.sign({}, SIGNER, headers={name: "x"})


def test_further_headers() -> None:
    """Other members are signed as given."""
    token = jose.sign(claims(), SIGNER, typ="at+jwt", headers={"cty": "JWT", "x": [1]})
    accepted = jose.verify(token, SIGNER, POLICY, now=NOW)
    assert dict(accepted.header) == {"alg": "HS256", "typ": "at+jwt", "kid": SIGNER.kid, "cty": "JWT", "x": [1]}


def test_raw_payloads() -> None:
    """A JWS may carry any bytes; without `typ` the header has none, and as a JWT it is refused."""
    token = jose.sign_bytes(b"\xff\0", SIGNER)
    verified = jose.verify_signature(token, SIGNER)
    assert (verified.payload, verified.header.type) == (b"\xff\0", None)
    assert jose.verify_signature(jose.sign_bytes(b"", SIGNER), SIGNER).payload == b""
    assert code_of(token, SIGNER) == "wrong_type"


def test_m23_decoding_is_its_own_call_with_its_own_type() -> None:
    """M-23: what was not verified is not `Claims`, whoever signed it, and is the reader's own to change."""
    token = good(key("HS256", 1))
    seen = jose.decode_unverified(token)
    assert type(seen).__name__ == "Unverified"
    assert not isinstance(seen, jose.Claims)
    assert not isinstance(seen.claims, jose.Claims)
    assert seen.claims == claims()
    odd = raw_token(header(SIGNER, alg="none", crit=["x"], jku="http://x"), claims(exp="never"), SIGNER)
    assert jose.decode_unverified(odd).header["crit"] == ["x"]


def proof(**changes: Any) -> str:
    signer = key("ES256")
    members = {"alg": "ES256", "typ": "dpop+jwt", "jwk": signer.public().to_jwk(), **changes}
    return raw_token({name: value for name, value in members.items() if value is not ...}, {"htm": "GET"}, signer)


def check(token: str) -> jose.Proof:
    return jose.verify_proof(token, typ="dpop+jwt", algorithms=("ES256", "EdDSA", "HS256"))


@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
def test_proof_of_possession(alg: str) -> None:
    """RFC 9449 section 4: a proof carries its public key, and shows that its maker holds the other half."""
    token = jose.sign_proof({"htm": "GET", "jti": "1"}, key(alg), typ="dpop+jwt")
    assert set(jose.decode_unverified(token).header) == {"alg", "typ", "jwk"}
    accepted = check(token)
    assert accepted.key.thumbprint() == key(alg).thumbprint()
    assert not accepted.key.private
    assert accepted.claims == {"htm": "GET", "jti": "1"}
    assert code_of(token, key(alg)) == "malformed"
    with pytest.raises(jose.InvalidKey):
        jose.sign_proof({}, SIGNER, typ="dpop+jwt")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"typ": "JWT"}, "wrong_type"),
        ({"typ": ...}, "wrong_type"),
        ({"jwk": ...}, "malformed"),
        ({"jwk": "x"}, "malformed"),
        ({"jwk": key("ES256").to_jwk(private=True)}, "malformed"),
        ({"jwk": key("HS256").to_jwk(private=True)}, "malformed"),
        ({"jwk": key("ES384").public().to_jwk()}, "malformed"),
        ({"jwk": {}}, "malformed"),
        ({"jwk": key("ES256", 1).public().to_jwk()}, "invalid_signature"),
        ({"crit": ["x"]}, "malformed"),
        ({"jku": "http://x"}, "malformed"),
        ({"alg": "none"}, "algorithm_not_allowed"),
        ({"alg": "HS256"}, "algorithm_not_allowed"),
        ({"alg": "ES384"}, "algorithm_not_allowed"),
        ({"alg": "EdDSA"}, "malformed"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_proofs_that_prove_nothing(changes: dict[str, Any], code: str) -> None:
    """Wrong type, no key, a private or foreign key, or an algorithm that is not on the caller's list: refused."""
    with pytest.raises(jose.TokenRejected) as caught:
        check(proof(**changes))
    assert caught.value.code == code


def test_proofs_are_read_strictly() -> None:
    """Encoding and payload of a proof are held to the same rules."""
    token = proof()
    head, body, tail = token.split(".")
    bad = [
        token + "=",
        f"{head}.{body}",
        raw_token(json.loads(json.dumps(jose.decode_unverified(token).header)), b"[]", key("ES256")),
        f"{head}.{body}=.{tail}",
    ]
    for text in bad:
        with pytest.raises(jose.MalformedToken):
            check(text)
    with pytest.raises(jose.InvalidSignature):
        check(f"{head}.{b64(b'{}')}.{tail}")


def test_importing_loads_no_cryptography_and_no_server() -> None:
    """`import ostiary.jose` loads msgspec and nothing heavy; the first asymmetric key loads `cryptography`."""
    program = (
        "import sys, ostiary.jose as jose\n"
        "heavy = {'cryptography', 'hashlib', 'json', 'asyncio', 'starlette', 'dataclasses'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "jose.sign({}, jose.Key.generate('HS256'))\n"
        "assert 'cryptography' not in sys.modules\n"
        "jose.Key.generate('ES256')\n"
        "assert 'cryptography' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
