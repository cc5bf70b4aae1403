"""Known flaw classes 46 to 54: encryption taken for authentication, and failures that tell too much."""

import json
from typing import Any

import pytest
from tests.unit.jose.forge import NOW, POLICY, b64, claims, code_of, good, header, key, raw_token, unb64
from tests.unit.jose.forge_encrypted import (
    CURVES,
    ENCS,
    KINDS,
    MANAGED,
    PLAINTEXT,
    fails,
    forged,
    header_of,
    hidden,
    refusal,
    sender,
    with_segment,
)

from ostiary import jose
from ostiary.jose.jwe_algorithms import ENCRYPTIONS
from ostiary.limits import ENCRYPTED_CREDENTIAL_CHARS, HEADER_CHARS

SIGNER = key("ES256")
BOX = hidden("ECDH-ES+A256KW")
NONE = b'{"alg":"none","typ":"at+jwt"}'


def nested_code(token: str, box: jose.EncryptionKey = BOX, signer: jose.Key = SIGNER) -> str:
    with pytest.raises(jose.TokenRejected) as caught:
        jose.verify_nested(token, box, signer, POLICY, NOW)
    return caught.value.code


def test_flaw_46_an_encrypted_token_is_not_a_signed_one() -> None:
    """What anyone can make with a public encryption key never verifies, and what is signed never decrypts."""
    public = BOX.public()
    token = jose.encrypt(json.dumps(claims()).encode(), public, typ="at+jwt")
    for keys in (SIGNER, jose.KeySet([SIGNER]), key("HS256"), key("RS256")):
        assert code_of(token, keys) == "malformed"
    with pytest.raises(jose.MalformedToken):
        jose.decode_unverified(token)
    assert refusal(good(SIGNER), BOX).code == "malformed"


def test_flaw_46_keys_are_of_one_kind() -> None:
    """A signing key has nothing that decrypts, an encryption key nothing that signs, and neither is taken for the
    other by any call."""
    calls: list[Any] = [
        lambda: jose.decrypt(jose.encrypt(b"", BOX), SIGNER),  # type: ignore[arg-type]
        lambda: jose.decrypt("", None),  # type: ignore[arg-type]
        lambda: jose.decrypt("", jose.KeySet([SIGNER])),  # type: ignore[arg-type]
        lambda: jose.encrypt(b"", SIGNER),  # type: ignore[arg-type]
        lambda: jose.encrypt(b"", jose.EncryptionKeySet([BOX])),  # type: ignore[arg-type]
        lambda: jose.verify(good(SIGNER), BOX, POLICY, now=NOW),  # type: ignore[call-overload]
        lambda: jose.verify(good(SIGNER), jose.EncryptionKeySet([BOX]), POLICY, now=NOW),  # type: ignore[call-overload]
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()
    for alg, crv in KINDS:
        assert not any(hasattr(hidden(alg, crv), name) for name in ("sign", "verify"))
    assert not any(hasattr(SIGNER, name) for name in ("wrap", "unwrap", "encrypt", "decrypt"))


@pytest.mark.parametrize("alg", MANAGED)
def test_flaw_46_one_jwk_is_for_one_purpose(alg: str) -> None:
    """A JWK that says what it is for is refused for the other purpose, by `use`, by `key_ops` and by `alg`."""
    members = hidden(alg).to_jwk(private=True)
    sign_alg = {"oct": "HS256", "EC": "ES256", "OKP": "EdDSA", "RSA": "RS256"}[members["kty"]]
    plain = {name: value for name, value in members.items() if name not in ("use", "alg")}
    for wrong in (members, {**plain, "use": "enc"}, {**plain, "key_ops": ["decrypt"]}, {**plain, "alg": alg}):
        with pytest.raises(jose.InvalidKey):
            jose.Key.from_jwk(wrong, sign_alg)
    encs = hidden(alg).encs
    for wrong in ({**plain, "use": "sig"}, {**plain, "key_ops": ["sign"]}, {**plain, "key_ops": ["decrypt", "verify"]},
                  {**plain, "alg": sign_alg}):  # fmt: skip
        with pytest.raises(jose.InvalidKey):
            jose.EncryptionKey.from_jwk(wrong, alg, encs=encs)


@pytest.mark.parametrize(("alg", "crv"), KINDS)
def test_flaw_47_nested_tokens_verify(alg: str, crv: str) -> None:
    """M-24: signed, then encrypted, comes back as the claims of the inner token; five segments, and no claim on the
    wire."""
    box = hidden(alg, crv)
    token = jose.sign_then_encrypt(claims(roles=["admin"]), SIGNER, sender(box), typ="at+jwt")
    assert token.count(".") == 4
    assert header_of(token)["cty"] == "JWT"
    wire = token.encode() + b"".join(unb64(segment) for segment in token.split("."))
    assert not any(secret in wire for secret in (b"acc_1", b"admin", b"roles", POLICY.issuer.encode()))
    for boxes in (box, jose.EncryptionKeySet([box])):
        found = jose.verify_nested(token, boxes, jose.KeySet([SIGNER.public()]), POLICY, NOW)
        assert (dict(found), found.header.alg) == (claims(roles=["admin"]), "ES256")


def test_encrypted_and_signed_are_told_apart_by_form() -> None:
    """Five segments or not; what they hold does not count."""
    box = hidden("A256KW")
    token = jose.sign_then_encrypt(claims(), SIGNER, box)
    assert jose.is_encrypted(token)
    for other in ("....x", "a.b.c", "", "a.b.c.d.e.f", jose.decrypt_token(token, box)):
        assert jose.is_encrypted(other) == (other == "....x")


def test_flaw_47_what_is_inside_must_be_signed() -> None:
    """Encrypted to our public key, and inside it: bare claims, `none`, a token of another signer, an HMAC under our
    public key, another JWE, nothing: all refused."""
    public = BOX.public()
    none = f"{b64(NONE)}.{b64(json.dumps(claims()).encode())}."
    with_public = jose.Key.from_secret(b"k" * 64, "HS256")
    inside = {
        json.dumps(claims()): "malformed",
        none: "malformed",
        none + "AA": "algorithm_not_allowed",
        good(key("ES256", 1)): "invalid_signature",
        good(with_public): "algorithm_not_allowed",
        jose.sign_then_encrypt(claims(), SIGNER, public, typ="at+jwt"): "malformed",
        "": "malformed",
        "é": "malformed",
    }
    for text, code in inside.items():
        assert nested_code(jose.encrypt(text.encode(), public, cty="JWT")) == code


def test_flaw_47_the_inner_token_is_judged_like_any_other() -> None:
    """Type, issuer, audience and times of the inner token count; what the outer header says about them does not."""
    public = BOX.public()
    for changes, code in (({"exp": int(NOW)}, "expired"), ({"iss": "https://other.example"}, "wrong_issuer")):
        assert nested_code(jose.sign_then_encrypt(claims(**changes), SIGNER, public, typ="at+jwt")) == code
    wrong = jose.sign(claims(), SIGNER, typ="JWT")
    assert nested_code(jose.encrypt(wrong.encode(), public, cty="JWT", typ="at+jwt")) == "wrong_type"
    inner_crit = raw_token(header(SIGNER, crit=["x"], x=1), claims(), SIGNER)
    assert nested_code(jose.encrypt(inner_crit.encode(), public, cty="JWT")) == "malformed"


@pytest.mark.parametrize("cty", [None, "", "at+jwt", "JWE", "application/json", "jwt "])
def test_flaw_47_the_content_type_is_demanded(cty: str | None) -> None:
    """RFC 7519 section 5.2: without `cty` JWT, what is inside is not taken for a token."""
    inner = good(SIGNER)
    token = jose.encrypt(inner.encode(), BOX.public(), cty=cty)
    assert nested_code(token) == "malformed"
    assert jose.decrypt(token, BOX).plaintext.decode() == inner


@pytest.mark.parametrize("alg", ["PBES2-HS256+A128KW", "PBES2-HS512+A256KW", "RSA1_5", "RSA-OAEP", "A128GCMKW", "none",
                                 "ECDH-ES+A128KW", "ECDH-1PU", "HS256", "__class__", "DIR", ""])  # fmt: skip
def test_flaw_48_and_51_algorithms_that_are_not_there(alg: str) -> None:
    """No key can be made for them, and no token can ask for them, whatever iteration count it brings along."""
    with pytest.raises(jose.InvalidKey):
        jose.EncryptionKey.generate(alg)
    for managed in MANAGED:
        box = hidden(managed)
        for keys in (box, jose.EncryptionKeySet([box])):
            token = forged(box, alg=alg, p2s="AAAAAAAAAAA", p2c=2**31)
            assert refusal(token, keys).code == "algorithm_not_allowed"


@pytest.mark.parametrize("alg", MANAGED)
def test_flaw_49_compression_and_other_demands_of_a_header(alg: str) -> None:
    """`zip` is refused with any value, as are extensions and keys that a header brings."""
    box = hidden(alg)
    jwk = hidden("ECDH-ES").public().to_jwk()
    for changes in ({"zip": "DEF"}, {"zip": None}, {"crit": ["exp"]}, {"crit": []}, {"b64": True}, {"jwk": jwk},
                    {"jku": "https://x.example"}, {"x5c": []}, {"x5u": "https://x.example"}):  # fmt: skip
        assert refusal(forged(box, **changes), box).code == "malformed"


def curve_of(crv: str) -> str:
    return "P-256" if crv != "P-256" else "P-384"


@pytest.mark.parametrize("crv", CURVES)
@pytest.mark.parametrize("alg", ["ECDH-ES", "ECDH-ES+A256KW"])
def test_flaw_50_ephemeral_keys(alg: str, crv: str) -> None:
    """Off the curve, on another, of another type, absent, private, not canonical, of small order: one failure."""
    box = hidden(alg, crv)
    epk = header_of(jose.encrypt(PLAINTEXT, box.public()))["epk"]
    foreign = header_of(jose.encrypt(PLAINTEXT, hidden(alg, curve_of(crv)).public()))["epk"]
    flipped = bytearray(unb64(epk["x"]))
    flipped[-1] ^= 1
    private = jose.EncryptionKey.generate(alg, crv=crv).to_jwk(private=True)
    bad: list[Any] = [
        ..., None, "", [], {}, foreign, private, {**epk, "d": "AA"}, {**epk, "k": "AA"},
        {**epk, "kty": "oct", "k": "AA"},
        {**epk, "crv": curve_of(crv)}, {**epk, "crv": None}, {**epk, "kty": None}, {**epk, "x": epk["x"] + "A"},
        {**epk, "x": epk["x"] + "="}, {**epk, "x": b64(bytes(len(flipped)))}, {**epk, "x": 1}, {**epk, "kty": []},
        {**epk, "crv": "Ed25519"}, hidden("RSA-OAEP-256").public().to_jwk(), key("EdDSA").public().to_jwk(),
    ]  # fmt: skip
    if crv != "X25519":
        bad += [{**epk, "x": b64(bytes(flipped))}, {**epk, "y": epk["x"]}, {**epk, "y": ""}]
    for value in bad:
        fails(forged(box, epk=value), box)
    for changes in ({"apu": 1}, {"apv": "A"}, {"apu": "+/=="}, {"apv": "é"}, {"apu": []}):
        fails(forged(box, **changes), box)


def test_flaw_50_points_of_small_order() -> None:
    """RFC 7748 section 6.1: X25519 public keys that make every secret zero are refused."""
    for point in (bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"):
        fails(forged(hidden("ECDH-ES"), epk={"kty": "OKP", "crv": "X25519", "x": b64(point)}), hidden("ECDH-ES"))


def test_flaw_51_rsa_failures_look_like_any_other() -> None:
    """A ciphertext that does not unpad, one of another length or number, and one that holds a key of another length end
    where a wrong tag ends: there is nothing to ask."""
    box = hidden("RSA-OAEP-256")
    size = 256
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    numbers = box.to_jwk()
    public = rsa.RSAPublicNumbers(65537, int.from_bytes(unb64(numbers["n"]), "big")).public_key()
    old = public.encrypt(b"\x07" * 32, padding.PKCS1v15())
    for encrypted in (bytes(size), b"\xff" * size, b"\x01" * size, b"\x01" * (size - 1), bytes(size + 1), b"", old):
        fails(forged(box, encrypted_key=encrypted), box)
    for length in (16, 32):
        fails(forged(box, content_key=b"\x07" * length, using="A128GCM" if length == 32 else "A256GCM"), box)
    fails(with_segment(forged(box), 4, bytes(16)), box)


@pytest.mark.parametrize("enc", ENCS)
@pytest.mark.parametrize("alg", ["dir", "A256KW"])
def test_flaw_52_exact_lengths(alg: str, enc: str) -> None:
    """Tag and initialization vector have one length each; every bit of them, of the ciphertext and of the header is
    authenticated."""
    box = hidden(alg, enc=enc)
    good_one = forged(box, using=enc)
    assert jose.decrypt(good_one, box).plaintext == PLAINTEXT
    iv, ciphertext, tag = (unb64(segment) for segment in good_one.split(".")[2:])
    for length in range(len(tag)):
        fails(with_segment(good_one, 4, tag[:length]), box)
    for raw in (tag + b"\0", bytes(len(tag)), tag[::-1], tag + tag):
        fails(with_segment(good_one, 4, raw), box)
    for raw in (b"", iv[:8], iv[:-1], iv + b"\0", bytes(12 if len(iv) == 16 else 16), bytes(len(iv))):
        fails(with_segment(good_one, 2, raw), box)
    for raw in (
        b"",
        ciphertext[:-1],
        ciphertext + b"\0",
        ciphertext + bytes(16),
        ciphertext[:-1] + bytes([ciphertext[-1] ^ 1]),
    ):
        fails(with_segment(good_one, 3, raw), box)
    members = {**header_of(good_one), "x": 1}
    fails(with_segment(good_one, 0, json.dumps(members).encode()), box)


def test_flaw_52_padding_is_looked_at_last() -> None:
    """CBC: a ciphertext whose padding would be wrong, and one whose tag is, are the same failure."""
    box = hidden("dir", enc="A128CBC-HS256")
    token = forged(box)
    ciphertext = bytearray(unb64(token.split(".")[3]))
    for place in range(len(ciphertext)):
        ciphertext[place] ^= 1
        fails(with_segment(token, 3, bytes(ciphertext)), box)
        ciphertext[place] ^= 1


@pytest.mark.parametrize("enc", ENCS)
@pytest.mark.parametrize("alg", ["A128KW", "A256KW", "ECDH-ES+A256KW", "RSA-OAEP-256"])
def test_flaw_53_content_keys_of_another_length(alg: str, enc: str) -> None:
    """A genuine wrapping of a key that does not fit `enc` is refused, even where AES would take it."""
    box = hidden(alg)
    for length in {16, 32} - {ENCRYPTIONS[enc].key_bytes}:
        fails(forged(box, using=enc, content_key=b"\x07" * length), box)


@pytest.mark.parametrize(("alg", "crv"), KINDS)
def test_flaw_53_encrypted_keys(alg: str, crv: str) -> None:
    """Where no key is sent, none may be there; where one is, it is there, whole and unchanged."""
    box = hidden(alg, crv)
    token = forged(box)
    sent = unb64(token.split(".")[1])
    if box.management.direct:
        assert sent == b""
        for raw in (b"\0", bytes(40), b"\x07" * 32):
            fails(with_segment(token, 1, raw), box)
        return
    for raw in (b"", sent[:-1], sent[:-8], sent + bytes(8), bytes(len(sent)), sent[::-1]):
        fails(with_segment(token, 1, raw), box)


def test_flaw_53_a_dir_key_has_one_content_encryption() -> None:
    """32 bytes fit A256GCM and A128CBC-HS256; which of the two the key is for is said when it is made, and a header
    cannot choose the other."""
    secret = b"\x09" * 32
    first, second = (jose.EncryptionKey.from_secret(secret, "dir", encs=(enc,)) for enc in ("A256GCM", "A128CBC-HS256"))
    assert refusal(jose.encrypt(b"x", first), second).code == "algorithm_not_allowed"
    for encs in (None, (), ("A256GCM", "A128CBC-HS256"), ("A256GCM", "A256GCM"), ("A512GCM",), "A256GCM"):
        with pytest.raises(jose.InvalidKey):
            jose.EncryptionKey.from_secret(secret, "dir", encs=encs)
    with pytest.raises(jose.InvalidKey):
        jose.EncryptionKey.from_secret(secret, "dir", encs=("A128GCM",))
    narrow = jose.EncryptionKey.from_secret(secret, "A256KW", encs=("A128GCM",))
    wide = jose.EncryptionKey.from_secret(secret, "A256KW")
    assert refusal(jose.encrypt(b"x", wide), narrow).code == "algorithm_not_allowed"
    with pytest.raises(jose.Unencryptable):
        jose.encrypt(b"x", narrow, enc="A256GCM")


def test_flaw_54_nothing_is_used_twice() -> None:
    """Initialization vector, content key and ephemeral key are new in every token; that a `dir` key wears out is
    written where it is made."""
    for alg in MANAGED:
        box = hidden(alg)
        tokens = [jose.encrypt(PLAINTEXT, sender(box)).split(".") for _ in range(20)]
        assert len({segments[2] for segments in tokens}) == 20
        assert len({segments[3] for segments in tokens}) == 20
        if not box.management.direct:
            assert len({segments[1] for segments in tokens}) == 20
        if alg.startswith("ECDH"):
            assert len({segments[0] for segments in tokens}) == 20
    assert "2**32" in (jose.EncryptionKey.__doc__ or "")


def test_the_envelope_is_parsed_as_strictly_as_a_signed_one() -> None:
    """Flaw classes 25 to 35 for five segments: count, alphabet, spare bits, size, types, duplicates, depth."""
    box = hidden("A256KW")
    token = forged(box)
    for place in range(5):
        segment = token.split(".")[place]
        for text in (
            segment + "=",
            segment + "\n",
            " " + segment,
            "+" + segment[1:],
            segment[:-1] + "é",
            segment + "AAA"[: 5 - len(segment) % 4],
        ):
            if len(text) % 4 != 1 and text.isascii() and text.replace("-", "").replace("_", "").isalnum():
                continue
            assert refusal(with_segment(token, place, text), box).code == "malformed"
    bad: list[Any] = [
        "", "....", ".....", token + ".", "." + token, token.rpartition(".")[0], token.replace(".", "..", 1),
        "{" + token, token.encode(), None, 1, "." * 1_000_000, "A" * (ENCRYPTED_CREDENTIAL_CHARS + 1),
        with_segment(token, 0, ""), with_segment(token, 0, "A" * (HEADER_CHARS + 4)),
    ]  # fmt: skip
    for text in bad:
        assert refusal(text, box).code == "malformed"
    duplicate = b'{"alg":"A256KW","enc":"A256GCM","enc":"A256GCM"}'
    for raw in (duplicate, b"[" * 5000, b"[]", b"1", b'{"alg":"A256KW"}', b'{"enc":"A256GCM"}', b"\xff", b"",
                b'{"alg":["A256KW"],"enc":"A256GCM"}', b'{"alg":"A256KW","enc":null}', b'{"alg":"A256KW","enc":[]}',
                b'{"alg":"A256KW","enc":"A256GCM","kid":1}', b'{"alg":"A256KW","enc":"A256GCM","cty":1}'):  # fmt: skip
        assert refusal(forged(box, raw_header=raw), box).code == "malformed"
    for enc in ("A192GCM", "none", "", "a256gcm", "__class__"):
        assert refusal(forged(box, raw_header=json.dumps({"alg": "A256KW", "enc": enc}).encode()), box).code == (
            "algorithm_not_allowed"
        )


def test_a_set_is_asked_by_kid() -> None:
    """A token without `kid`, or with one that is not in the set, meets no key; no key is tried after another."""
    first, second = hidden("A256KW"), hidden("A256KW", which=1)
    keys = jose.EncryptionKeySet([first, second])
    for box in (first, second):
        assert jose.decrypt(forged(box), keys).key is box
    for kid in (..., "../../dev/null", ""):
        assert refusal(forged(first, kid=kid), keys).code == "unknown_key"
    assert refusal(forged(first, kid=second.kid), keys).code == "decryption_failed"
    assert refusal(forged(hidden("A128KW")), keys).code == "algorithm_not_allowed"
    with pytest.raises(jose.InvalidKey):
        jose.EncryptionKeySet([first, first])
    with pytest.raises(jose.InvalidKey):
        jose.EncryptionKeySet([first, BOX])
