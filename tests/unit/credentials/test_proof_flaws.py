"""The flaw classes that concern a profile rather than a signature: hashes that fail open, and replay."""

import json
from hashlib import sha256, sha384, sha512
from typing import Any

import pytest
from tests.unit.jose.forge import NOW, b64, key, large_rsa_jwk, raw_token, unb64

from ostiary import jose
from ostiary.credentials.dpop import ALGORITHMS, PROOF_TYPE, Expected, PossessionProof, check_proof
from ostiary.errors import InvalidProof

CREDENTIAL = "ost_st_credential"
EXPECTED = Expected(method="GET", origins=("https://api.example",), paths=("/notes",), credential=CREDENTIAL)


def proof(alg: str = "ES256", **changes: Any) -> str:
    claims = {
        "htm": "GET", "htu": "https://api.example/notes", "iat": int(NOW), "jti": "one",
        "ath": b64(sha256(CREDENTIAL.encode()).digest()), **changes,
    }  # fmt: skip
    return jose.sign_proof(
        {name: value for name, value in claims.items() if value is not ...}, key(alg), typ=PROOF_TYPE
    )


def judged(text: str, now: float = NOW) -> PossessionProof:
    return check_proof(text, EXPECTED, now=now, leeway=30)


def test_flaw_15_a_proof_brings_no_key_that_takes_long_to_verify() -> None:
    """M-52: anybody may send a proof with any key. One of 4096 bits is tried; above that the proof is malformed before
    anything is computed with its key, which with 16384 bits would take a verifier 50 to 300 times as long."""
    for bits, refused in ((4096, jose.InvalidSignature), (4097, jose.MalformedToken), (16384, jose.MalformedToken)):
        jwk = large_rsa_jwk(bits)
        header = {"typ": PROOF_TYPE, "alg": jwk.pop("alg"), "jwk": jwk}
        text = f"{b64(json.dumps(header).encode())}.{b64(b'{}')}.{b64(bytes(bits // 8))}"
        with pytest.raises(refused):
            jose.verify_proof(text, typ=PROOF_TYPE, algorithms=ALGORITHMS)
        with pytest.raises(InvalidProof):
            judged(text)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_flaw_44_a_hash_never_fails_open(alg: str) -> None:
    """Whatever a proof is signed with, `ath` is the SHA-256 of the credential, whole: absent, empty, of another type,
    cut in half, or made with the hash of the algorithm's name, it is refused. No algorithm is unknown to the check,
    since none chooses the hash."""
    assert judged(proof(alg)).token_id == "one"
    raw = CREDENTIAL.encode()
    halves = [digest(raw).digest() for digest in (sha256, sha384, sha512)]
    for wrong in (..., "", None, True, [], b64(sha384(raw).digest()), b64(sha512(raw).digest()), "é",
                  *(b64(half[: len(half) // 2]) for half in halves), b64(sha256(raw + b"x").digest())):  # fmt: skip
        with pytest.raises(InvalidProof):
            judged(proof(alg, ath=wrong))


def test_flaw_44_no_id_token_is_read() -> None:
    """`at_hash`, `c_hash` and `s_hash` belong to ID tokens. No profile of ours takes one: under its type a token is
    refused, whatever its hashes say."""
    policy = jose.Policy(issuer="https://auth.example", audience="https://api.example", type="at+jwt")
    claims = {"iss": policy.issuer, "aud": "https://api.example", "sub": "a", "exp": int(NOW) + 60, "at_hash": "x"}
    with pytest.raises(jose.WrongType):
        jose.verify(jose.sign(claims, key("ES256"), typ="JWT"), key("ES256"), policy, now=NOW)


def test_flaw_45_a_proof_has_a_name_for_as_long_as_it_could_come_again() -> None:
    """Replay: key and `jti` name a proof, without `jti` there is none, and the name need not be remembered longer than
    the proof is accepted. That a name is taken once is tested over HTTP for proofs and for one-time tokens."""
    found = judged(proof())
    assert (found.thumbprint, found.token_id) == (key("ES256").thumbprint(), "one")
    assert judged(proof("EdDSA")).thumbprint != found.thumbprint
    for wrong in (..., "", None, 1, "x" * 1000):
        with pytest.raises(InvalidProof):
            judged(proof(jti=wrong))
    with pytest.raises(InvalidProof):
        judged(proof(), now=found.expires_at + 0.001)


def test_a_proof_that_says_until_when_it_holds_is_taken_at_its_word() -> None:
    """M-52: `exp` and `nbf` are not asked for; where they stand they count, with no leeway for `exp`, and must be
    dates."""
    for fine in ({}, {"exp": int(NOW) + 1}, {"nbf": int(NOW) + 30}, {"exp": NOW + 0.5, "nbf": int(NOW)}):
        assert judged(proof(**fine)).token_id == "one"
    for wrong in ({"exp": int(NOW)}, {"exp": int(NOW) - 5}, {"nbf": int(NOW) + 31}):
        with pytest.raises(InvalidProof):
            judged(proof(**wrong))
    head, body, _ = (unb64(part) for part in proof().split("."))
    for no_date in ({"exp": "soon"}, {"exp": True}, {"nbf": None}, {"exp": int(NOW) * 1000}):
        with pytest.raises(InvalidProof):
            judged(raw_token(head, {**json.loads(body), **no_date}, key("ES256")))
