"""Known flaw classes 17 to 22: signature primitives and what errors give away."""

import traceback

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from tests.unit.jose.forge import (
    ALGS,
    NOW,
    POLICY,
    b64,
    claims,
    code_of,
    good,
    header,
    key,
    raw_token,
    unb64,
)

from ostiary import jose

ORDER = {
    "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "ES384": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    "ES512": int("1" + "F" * 65 + "A51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409", 16),
}
SIZE = {"ES256": 32, "ES384": 48, "ES512": 66}


def with_signature(token: str, signature: bytes) -> str:
    return f"{token.rpartition('.')[0]}.{b64(signature)}"


@pytest.mark.parametrize("alg", ORDER)
def test_flaw_17_psychic_signatures(alg: str) -> None:
    """R and S of 0, of the order, and beyond it never verify."""
    token, size, order = good(key(alg)), SIZE[alg], ORDER[alg]
    for r in (0, 1, order - 1, order, order + 1):
        for s in (0, 1, order - 1, order, order + 1):
            signature = r.to_bytes(size, "big") + s.to_bytes(size, "big")
            assert code_of(with_signature(token, signature), key(alg)) == "invalid_signature"


@pytest.mark.parametrize("alg", ORDER)
def test_flaw_18_ecdsa_has_one_encoding(alg: str) -> None:
    """DER, padded, shortened and swapped forms of a good signature are refused (RFC 7518 section 3.4)."""
    token, size = good(key(alg)), SIZE[alg]
    raw = unb64(token.rpartition(".")[2])
    assert len(raw) == 2 * size
    r, s = raw[:size], raw[size:]
    der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    for other in (der, raw + b"\0", b"\0" + raw, b"\0" + r + b"\0" + s, s + r, raw[:-1], r, raw * 2):
        assert code_of(with_signature(token, other), key(alg)) == "invalid_signature"


@pytest.mark.parametrize("alg", ["RS256", "PS256"])
def test_flaw_19_rsa_signatures_of_another_length_or_value(alg: str) -> None:
    """A signature longer or shorter than the modulus, or not below it, is refused."""
    token = good(key(alg))
    raw = unb64(token.rpartition(".")[2])
    n: int = key(alg)._material[0].public_numbers().n
    larger = int.from_bytes(raw, "big") + n
    candidates = [
        raw[1:],
        raw + b"\0",
        b"\0" + raw,
        bytes(256),
        b"\xff" * 256,
        b"\0" * 255 + b"\1",
        n.to_bytes(256, "big"),
    ]
    if larger < 2**2048:
        candidates.append(larger.to_bytes(256, "big"))
    for other in candidates:
        assert code_of(with_signature(token, other), key(alg)) == "invalid_signature"


@pytest.mark.parametrize("alg", ALGS)
def test_flaw_20_every_bit_of_a_signature_counts(alg: str) -> None:
    """Truncated, extended and altered signatures are refused."""
    token = good(key(alg))
    raw = unb64(token.rpartition(".")[2])
    others = [raw[:-1], raw[1:], raw + b"\0", raw[: len(raw) // 2], raw[:1], raw + raw]
    others += [
        bytes([*raw[:place], raw[place] ^ bit, *raw[place + 1 :]])
        for place in (0, len(raw) // 2, -1 + len(raw))
        for bit in (1, 128)
    ]
    for other in others:
        assert code_of(with_signature(token, other), key(alg)) == "invalid_signature"


def test_flaw_20_hmac_is_compared_in_constant_time() -> None:
    """The MAC comparison is the standard library's constant-time one."""
    verify = key("HS256").verify
    import hmac

    assert hmac.compare_digest in [cell.cell_contents for cell in verify.__closure__ or ()]  # type: ignore[attr-defined]


def test_flaw_21_errors_give_nothing_away() -> None:
    """No part of the token, of the right signature or of the key is in a refusal, nor in its printed traceback."""
    secret = b"an HMAC secret that is long enough"
    signer = jose.Key.from_secret(secret, "HS256")
    token = good(signer, sub="somebody-private")
    head, body, tail = token.split(".")
    wrong = [
        f"{head}.{body}.{tail[:-4]}AAAA",
        f"{head}.{body}.{tail}=",
        f"{head}.{body}!.{tail}",
        "x" * 5000,
        raw_token(b'{"alg":"somebody-private"', claims(), signer),
        f"{head}.{body}.\xff{tail}",
        raw_token(header(signer), b'{"sub":"somebody-private","sub":1}', signer),
        raw_token(header(signer), b'{"sub":"somebody-private\xff"}', signer),
        raw_token(header(signer), claims(exp="somebody-private"), signer),
        raw_token(header(signer), claims(iss="somebody-private"), signer),
    ]
    for text in wrong:
        try:
            jose.verify(text, signer, POLICY, now=NOW)
        except jose.TokenRejected as refused:
            shown = "".join(traceback.format_exception(refused)) + repr(vars(refused)) + repr(refused)
            for piece in ("somebody-private", body, tail[:12], secret.decode(), b64(secret), "xxxx"):
                assert piece not in shown
        else:
            pytest.fail("accepted")
    assert secret.decode() not in repr(signer)
    assert b64(secret) not in repr(signer)
    assert "***" in repr(signer)


def test_flaw_22_only_kid_and_alg_choose_a_key() -> None:
    """Which key is asked depends on the header alone: another payload asks the same key."""
    asked = []

    class Watching(jose.KeySet):
        def candidate(self, kid: str | None, alg: str) -> jose.Key | None:
            asked.append((kid, alg))
            return super().candidate(kid, alg)

    signer = key("HS256")
    for payload in (claims(), claims(iss="elsewhere"), b"\xff"):
        code = None
        try:
            jose.verify(raw_token(header(signer), payload, signer), Watching([signer]), POLICY, now=NOW)
        except jose.TokenRejected as refused:
            code = refused.code
        assert code in (None, "wrong_issuer", "malformed")
    assert asked == [(signer.kid, "HS256")] * 3
