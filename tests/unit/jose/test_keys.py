"""Keys and key sets: in, out, and never changed."""

import copy
import json
import pickle
from itertools import count
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as ser
from tests.unit.jose.forge import ALGS, ASYMMETRIC, NOW, POLICY, b64, code_of, good, key

from ostiary import jose
from ostiary.limits import JWK_BYTES, JWK_SET_KEYS


@pytest.mark.parametrize("alg", ALGS)
def test_sign_and_verify(alg: str) -> None:
    """Every row of the table signs, verifies with key and set, and refuses another key."""
    signer, other = key(alg), key(alg, 1)
    token = good(signer)
    public = signer if signer.algorithm.symmetric else signer.public()
    for keys in (signer, public, jose.KeySet([public])):
        for _ in range(2):
            assert jose.verify(token, keys, POLICY, now=NOW)["sub"] == "acc_1"
    assert code_of(token, other) == "invalid_signature"
    assert code_of(token, jose.KeySet([other])) == "unknown_key"


@pytest.mark.parametrize("alg", ALGS)
def test_jwk_round_trip(alg: str) -> None:
    """A key written as a JWK and read again is the same key, as object and as text."""
    original = key(alg)
    private = original.to_jwk(private=True)
    assert set(private) >= {"kty", "alg", "use", "kid"}
    for form in (private, json.dumps(private), json.dumps(private).encode()):
        again = jose.Key.from_jwk(form)
        assert (again.alg, again.kid, again.thumbprint()) == (original.alg, original.kid, original.thumbprint())
        assert jose.verify(good(again), original, POLICY, now=NOW)
        assert again.to_jwk(private=True) == private


@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_public_jwk_has_no_private_member(alg: str) -> None:
    """Without being asked, `to_jwk` writes nothing secret; a public key has nothing secret to write."""
    public = key(alg).to_jwk()
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(public)
    half = jose.Key.from_jwk(public)
    assert half.private is False
    assert "***" not in repr(half)
    assert half.to_jwk() == public == key(alg).public().to_jwk()
    assert half.kid == key(alg).kid
    with pytest.raises(jose.InvalidKey):
        half.to_jwk(private=True)


@pytest.mark.parametrize("key", [jose.Key.generate("ES256"), jose.EncryptionKey.generate("A256KW")], ids=["sig", "enc"])
def test_a_key_is_its_own_copy_and_is_not_pickled(key: jose.Key | jose.EncryptionKey) -> None:
    """Configurations that hold a key can be copied; a secret goes into no pickle unasked, and the error says what to
    hand on instead."""
    assert copy.copy(key) is key
    assert copy.deepcopy({"key": key})["key"] is key
    with pytest.raises(TypeError, match="to_jwk"):
        pickle.dumps(key)


def test_a_secret_has_no_public_form() -> None:
    """An HMAC key publishes nothing."""
    secret = key("HS256")
    assert secret.private
    with pytest.raises(jose.InvalidKey):
        secret.to_jwk()
    with pytest.raises(jose.InvalidKey):
        secret.public()
    assert jose.KeySet([secret]).to_jwks() == {"keys": []}


@pytest.mark.parametrize("alg", ASYMMETRIC)
@pytest.mark.parametrize("password", [None, b"correct horse"], ids=["plain", "encrypted"])
def test_pem(alg: str, password: bytes | None) -> None:
    """PEM goes in, private and public, text or bytes; a wrong password is an error of ours."""
    private = key(alg)._material[1]
    cipher = ser.BestAvailableEncryption(password) if password else ser.NoEncryption()
    pem: bytes = private.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, cipher)
    public: bytes = private.public_key().public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo)
    read = jose.Key.from_pem(pem, alg=alg, password=password, kid="p")
    assert (read.kid, read.thumbprint()) == ("p", key(alg).thumbprint())
    assert jose.verify(good(read), jose.Key.from_pem(public.decode(), alg=alg), POLICY, now=NOW)
    for wrong in (b"wrong", b"correct horse" if password is None else None):
        with pytest.raises(jose.InvalidKey):
            jose.Key.from_pem(pem, alg=alg, password=wrong)
    with pytest.raises(jose.InvalidKey):
        jose.Key.from_pem(pem, alg="HS256", password=password)


def test_what_is_not_a_pem_key() -> None:
    """Junk, certificates, oversize and other types are refused with our error."""
    private = key("ES256")._material[1]
    name = x509.Name([])
    from datetime import UTC, datetime

    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
        .sign(private, hashes.SHA256())
    )
    text = certificate.public_bytes(ser.Encoding.PEM)
    bad: list[Any] = [
        text,
        b"",
        "",
        "é",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        b"x" * (JWK_BYTES + 1),
        None,
        1,
    ]
    for pem in bad:
        with pytest.raises(jose.InvalidKey):
            jose.Key.from_pem(pem, alg="ES256")
    for secret in (text, certificate.public_bytes(ser.Encoding.DER)):
        with pytest.raises(jose.InvalidKey):
            jose.Key.from_secret(secret, "HS256")


@pytest.mark.parametrize(
    "secret",
    [b"0" * 100, b"M" * 100, b"0\x82" + b"x" * 60, b"0\x2a" + b"x" * 42, b"MMMM" * 20, b"M" + b"?" * 60, b"\x00" * 32],
    ids=repr,
)
def test_secrets_that_only_look_a_little_like_keys(secret: bytes) -> None:
    """The refusal of encoded keys looks at the whole structure, so that random secrets pass."""
    assert jose.Key.from_secret(secret, "HS256")


@pytest.mark.parametrize(
    "secret",
    [
        b"ssh-ed25519 AAAAC3Nza" + b"x" * 40,
        b"ecdsa-sha2-nistp256 AAAA" + b"x" * 40,
        b"---- BEGIN SSH2 PUBLIC KEY ----" + b"x" * 40,
    ],
    ids=repr,
)
def test_ssh_keys_are_no_secrets(secret: bytes) -> None:
    """SSH public keys are published, so they are refused."""
    with pytest.raises(jose.InvalidKey):
        jose.Key.from_secret(secret, "HS256")


@pytest.mark.parametrize(
    "changes",
    [
        {"x": ...},
        {"x": ""},
        {"x": 1},
        {"x": None},
        {"x": "é"},
        {"x": "A" * 43},
        {"y": "A" * 43},
        {"x": "A" * 42},
        {"x": "A" * 44},
        {"crv": "P-384"},
        {"crv": "secp256k1"},
        {"crv": None},
        {"crv": ["P-256"]},
        {"crv": ...},
        {"d": "A" * 43},
        {"d": "_" * 42 + "8"},
        {"d": ""},
        {"d": None},
        {"d": 1},
        {"kty": "OKP"},
    ],
    ids=str,
)
def test_broken_ec_keys(changes: dict[str, Any]) -> None:
    """Members that are absent, ill-typed, too short, off the curve or do not belong together are refused."""
    members = {**key("ES256").to_jwk(private=True), **changes}
    with pytest.raises(jose.InvalidKey):
        jose.Key.from_jwk({name: value for name, value in members.items() if value is not ...})


@pytest.mark.parametrize(
    "changes",
    [
        {"x": ...},
        {"x": b64(b"\0" * 31)},
        {"x": b64(b"\0" * 33)},
        {"x": b64(b"\0" * 32)},
        {"d": b64(b"\0" * 32)},
        {"d": b64(b"\0" * 31)},
        {"crv": "X25519"},
        {"crv": None},
        {"crv": "Ed448"},
        {"crv": []},
        {"kty": "EC"},
        {"d": None},
    ],
    ids=str,
)
@pytest.mark.parametrize("alg", ["Ed25519", "EdDSA"])
def test_broken_okp_keys(alg: str, changes: dict[str, Any]) -> None:
    """The same for Edwards curves; a private half must be that of the public one."""
    members = {**key(alg).to_jwk(private=True), **changes}
    with pytest.raises(jose.InvalidKey):
        jose.Key.from_jwk({name: value for name, value in members.items() if value is not ...})


@pytest.mark.parametrize(
    "changes",
    [
        {"n": ...},
        {"e": ...},
        {"e": ""},
        {"e": "AAEAAQ"},
        {"n": "A" * 342},
        {"n": "_" * 4000},
        {"d": ...},
        {"p": ...},
        {"qi": ...},
        {"oth": []},
        {"d": "AQ"},
        {"p": "AQ"},
        {"dp": "AQ"},
        {"q": "Aw"},
        {"n": 5},
        {"d": None},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_broken_rsa_keys(changes: dict[str, Any]) -> None:
    """RSA numbers have one spelling, a bounded size, all private members or none, and fit together."""
    members = {**key("RS256").to_jwk(private=True), **changes}
    with pytest.raises(jose.InvalidKey):
        jose.Key.from_jwk({name: value for name, value in members.items() if value is not ...})


@pytest.mark.parametrize(
    "jwk",
    [
        None,
        1,
        "",
        b"",
        "{",
        "[]",
        "null",
        b"\xff",
        "\ud800",
        [],
        (),
        " " * (JWK_BYTES + 1),
        {},
        {"kty": "EC"},
        '{"alg":"ES256"}',
    ],
    ids=map(str, count()),
)
def test_what_is_not_a_jwk(jwk: Any) -> None:
    """Anything but a JSON object with the right members is refused with our error, as key and as set."""
    with pytest.raises(jose.InvalidKey):
        jose.Key.from_jwk(jwk)
    with pytest.raises(jose.InvalidKey):
        jose.KeySet.from_jwks(jwk)


def test_a_key_never_changes() -> None:
    """Nothing can be assigned to a key or removed from it, and no copy is another key."""
    signer = key("ES256")
    for name in ("alg", "kid", "algorithm", "verify", "sign", "operations", "new"):
        with pytest.raises(AttributeError):
            setattr(signer, name, None)
    with pytest.raises(AttributeError):
        del signer.alg
    assert copy.deepcopy(signer) is signer
    assert signer.alg == "ES256"


@pytest.mark.parametrize("alg", ["EdDSA", "Ed448"])
def test_edwards_algorithms_have_one_name_each(alg: str) -> None:
    """RFC 9864: `EdDSA` takes both curves, `Ed25519` and `Ed448` one; a token names what its key is bound to."""
    members = key("Ed448").to_jwk(private=True)
    signer = jose.Key.from_jwk({**members, "alg": alg})
    assert jose.verify(good(signer), signer, POLICY, now=NOW).header.alg == alg
    other = jose.Key.from_jwk({**members, "alg": "EdDSA" if alg == "Ed448" else "Ed448"})
    assert code_of(good(signer), other) == "algorithm_not_allowed"


def test_generate() -> None:
    """New keys differ, take the name given, and draw from the source that is handed in."""
    for alg in ALGS:
        signer = jose.Key.generate(alg)
        assert jose.verify(good(signer), signer, POLICY, now=NOW).header.alg == alg
        assert signer.kid == signer.thumbprint()
    assert jose.Key.generate("RS256", bits=2056).public()._material[0].key_size == 2056
    assert jose.Key.generate("ES256").kid != jose.Key.generate("ES256").kid
    assert jose.Key.generate("HS256", kid="a").kid == "a"
    fixed = jose.Key.generate("HS512", random=lambda size: b"\7" * size)
    assert fixed.to_jwk(private=True)["k"] == b64(b"\7" * 64)
    for alg in ("none", "RSA-OAEP", "", None, 1, ["ES256"]):
        with pytest.raises(jose.InvalidKey):
            jose.Key.generate(alg)  # type: ignore[arg-type]
    for kid in ("", 1, "k" * 257):
        with pytest.raises(jose.InvalidKey):
            jose.Key.generate("HS256", kid=kid)  # type: ignore[arg-type]


def test_insecure_keys_stay_alone() -> None:
    """M-21: a key of the insecure entry point has no kid and enters no set; it takes HMAC algorithms only."""
    weak = jose.insecure_hmac_key_shorter_than_the_hash(b"x" * 100)
    assert weak.kid == ""
    assert "kid" not in jose.decode_unverified(good(weak)).header
    assert jose.verify(good(weak), weak, POLICY, now=NOW)
    with pytest.raises(jose.InvalidKey):
        jose.KeySet([weak])
    with pytest.raises(jose.InvalidKey):
        jose.insecure_hmac_key_shorter_than_the_hash(b"secret", "ES256")


def test_key_set() -> None:
    """A set finds a key by its exact name, counts, iterates, and publishes public halves only."""
    keys = jose.KeySet([key("ES256"), key("Ed25519")])
    assert len(keys) == 2
    assert keys.get(key("ES256").kid) is key("ES256")
    assert keys.get("other") is None
    assert [each.alg for each in keys] == ["ES256", "Ed25519"]
    published = keys.to_jwks()
    assert not any("d" in jwk for jwk in published["keys"])
    again = jose.KeySet.from_jwks(json.dumps(published).encode())
    assert again.to_jwks() == published
    assert "ES256" in repr(again)
    assert "***" not in repr(again)
    assert len(jose.KeySet([])) == 0


def test_foreign_sets_may_hold_what_we_do_not_know() -> None:
    """RFC 7517 section 5: unknown kinds and encryption keys are passed over; a broken key of ours refuses the set."""
    ours = key("ES256").public().to_jwk()
    strangers: list[dict[str, Any]] = [
        {**ours, "kid": "1", "use": "enc"},
        {**ours, "kid": "2", "alg": "ECDH-ES"},
        {"kty": "AKP", "alg": "ML-DSA-44"},
        {},
        {**ours, "kid": "3", "key_ops": ["deriveBits"]},
        {**ours, "kid": "4", "alg": "ES512", "kty": "RSA"},
        {"alg": 1},
    ]
    assert [each.kid for each in jose.KeySet.from_jwks({"keys": [*strangers, ours]})] == [ours["kid"]]
    for broken in ({**ours, "x": "AA"}, {**ours, "key_ops": ["verify", 1]}, 1, None, []):
        with pytest.raises(jose.InvalidKey):
            jose.KeySet.from_jwks({"keys": [broken]})
    for keys in ({"keys": {}}, {"keys": None}, {}, {"keys": [{}] * (JWK_SET_KEYS + 1)}):
        with pytest.raises(jose.InvalidKey):
            jose.KeySet.from_jwks(keys)
    with pytest.raises(jose.InvalidKey):
        jose.KeySet(key("HS256") for _ in range(JWK_SET_KEYS + 1))
