"""Encryption keys and what they encrypt: in, out, and never changed."""

import copy
import json
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from tests.unit.jose.forge import RSA_KEYS, b64, claims, key, unb64
from tests.unit.jose.forge_encrypted import ENCS, KINDS, MANAGED, PLAINTEXT, header_of, hidden, refusal, sender

from ostiary import jose
from ostiary.jose.jwe_algorithms import ENCRYPTIONS
from ostiary.limits import ENCRYPTED_CREDENTIAL_CHARS, JWK_SET_KEYS


@pytest.mark.parametrize("enc", ENCS)
@pytest.mark.parametrize(("alg", "crv"), KINDS)
def test_encrypt_and_decrypt(alg: str, crv: str, enc: str) -> None:
    """M-20: every pair of rows encrypts and decrypts, with key and set, the empty text too; another key fails."""
    box, other = hidden(alg, crv, enc), hidden(alg, crv, enc, 1)
    for plaintext in (PLAINTEXT, b"", b"\0" * 16, bytes(range(256)) * 4):
        token = jose.encrypt(plaintext, sender(box), enc=enc, typ="x", headers={"x": [1]})
        assert token.count(".") == 4
        for keys in (box, jose.EncryptionKeySet([box])):
            found = jose.decrypt(token, keys)
            assert (found.plaintext, found.key, found.header["x"], found.header.type) == (plaintext, box, [1], "x")
    assert refusal(token, other).code == "decryption_failed"
    assert list(header_of(token))[:4] == ["alg", "enc", "typ", "kid"]


@pytest.mark.parametrize(("alg", "crv"), KINDS)
def test_jwk_round_trip(alg: str, crv: str) -> None:
    """A key written as a JWK and read again is the same key, as object and as text; the public half has no secret."""
    box = hidden(alg, crv)
    private = box.to_jwk(private=True)
    assert private["use"] == "enc"
    for form in (private, json.dumps(private), json.dumps(private).encode()):
        again = jose.EncryptionKey.from_jwk(form)
        assert (again.alg, again.kid, again.encs) == (box.alg, box.kid, box.encs)
        assert again.thumbprint() == box.thumbprint() == box.kid
        assert again.thumbprint_uri().endswith(box.kid)
        assert jose.decrypt(jose.encrypt(PLAINTEXT, sender(again)), box).plaintext == PLAINTEXT
    assert "***" in repr(box)
    if box.symmetric:
        for call in (box.public, box.to_jwk, box.to_pem):
            with pytest.raises(jose.InvalidKey):
                call()
        return
    public = jose.EncryptionKey.from_jwk(box.to_jwk())
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(public.to_jwk())
    assert (public.private, public.kid, public.unwrap) == (False, box.kid, None)
    for refused in (lambda: public.to_jwk(private=True), lambda: jose.decrypt(jose.encrypt(b"", public), public)):
        with pytest.raises(jose.InvalidKey):
            refused()


@pytest.mark.parametrize("password", [None, b"correct horse"])
@pytest.mark.parametrize(("alg", "crv"), [kind for kind in KINDS if kind[0][0] in "ER"])
def test_pem_round_trip(alg: str, crv: str, password: bytes | None) -> None:
    """PKCS#8, encrypted or not, and SubjectPublicKeyInfo come back as the same key."""
    box = hidden(alg, crv)
    pem = box.to_pem(private=True, password=password)
    assert (b"ENCRYPTED" in pem) is (password is not None)
    again = jose.EncryptionKey.from_pem(pem, alg=alg, password=password)
    public = jose.EncryptionKey.from_pem(box.to_pem().decode(), alg=alg)
    assert again.kid == public.kid == box.kid
    assert jose.decrypt(jose.encrypt(PLAINTEXT, public), again).plaintext == PLAINTEXT


def test_generate() -> None:
    """Each algorithm, each curve; randomness can be handed in for secrets; what is not ours is refused."""
    for alg, crv in KINDS:
        encs = ("A256CBC-HS512",) if alg == "dir" else None
        box = jose.EncryptionKey.generate(alg, crv=crv, encs=encs, kid="mine")
        assert (box.private, box.kid) == (True, "mine")
        assert box.to_jwk(private=True).get("crv", "") == crv
    fixed = jose.EncryptionKey.generate("A128KW", random=lambda size: b"\x01" * size)
    assert fixed.to_jwk(private=True)["k"] == b64(b"\x01" * 16)
    for refused in (
        lambda: jose.EncryptionKey.generate("ECDH-ES", crv="X448"),
        lambda: jose.EncryptionKey.generate("ECDH-ES", crv=""),
        lambda: jose.EncryptionKey.generate("RSA-OAEP-256", bits=1024),
        lambda: jose.EncryptionKey.generate("A256KW", kid=""),
        lambda: jose.EncryptionKey.generate("dir"),
    ):
        with pytest.raises(jose.InvalidKey):
            refused()


@pytest.mark.parametrize("alg", MANAGED)
def test_material_that_does_not_fit(alg: str) -> None:
    """Every wrong type, curve and length is refused when the key is made."""
    encs = ("A256GCM",)
    bad: list[Any] = [b"", b"x" * 15, b"x" * 31, b"x" * 33, b"x" * 64, "x" * 32, None, 1,
                      key("Ed448")._material[1], ed25519.Ed25519PrivateKey.generate()]  # fmt: skip
    bad += [hidden(other)._material for other in MANAGED if other != alg and not hidden(other).symmetric]
    for material in bad:
        with pytest.raises(jose.InvalidKey):
            jose.EncryptionKey(material, alg, encs=encs)
    with pytest.raises(jose.InvalidKey):
        jose.EncryptionKey.from_secret("x" * 32, alg, encs=encs)  # type: ignore[arg-type]
    if hidden(alg).symmetric:
        return
    for wrong in (b"x" * 16, b"x" * 32):
        with pytest.raises(jose.InvalidKey):
            jose.EncryptionKey.from_secret(wrong, alg)


@pytest.mark.parametrize("secret", [
    b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZvbyBiYXIgYmF6IHF1dXggIDEy"[:64].ljust(64, b"A"),
    b'{"kty":"OKP","crv":"X25519","x":"AAAA"}'.ljust(64, b" "), b"-----BEGIN PUBLIC KEY-----".ljust(64, b"A"),
], ids=["ssh", "jwk", "pem"])  # fmt: skip
def test_a_secret_is_not_the_text_of_another_key(secret: bytes) -> None:
    """Flaw classes 2 and 3, for encryption: what is published elsewhere never becomes a secret."""
    with pytest.raises(jose.InvalidKey, match="encoded key"):
        jose.EncryptionKey.from_secret(secret, "dir", encs=("A256CBC-HS512",))
    assert jose.EncryptionKey.from_secret(bytes(range(64)), "dir", encs=("A256CBC-HS512",)).encs == ("A256CBC-HS512",)


@pytest.mark.parametrize("encs", [(), ("A256GCM", "A256GCM"), ("A256GCM", "none"), "A256GCM", (None,)], ids=str)
def test_content_encryptions_are_named_once(encs: Any) -> None:
    """No list, an empty one, one that names an encryption twice or one that is not ours: no key."""
    for alg in ("A256KW", "ECDH-ES"):
        with pytest.raises(jose.InvalidKey):
            jose.EncryptionKey.from_jwk(hidden(alg).to_jwk(private=True), encs=encs)


def test_weak_rsa_keys() -> None:
    """Flaw classes 15 and 16 hold for encryption too: size, exponent, small factors."""
    good = {name: RSA_KEYS[0][name] for name in ("kty", "n", "e")}
    for changes in ({"e": "AQ"}, {"e": "Ag"}, {"n": good["n"][:100]}, {"n": b64(b"\xff" * 256)}):
        with pytest.raises(jose.InvalidKey):
            jose.EncryptionKey.from_jwk({**good, **changes}, "RSA-OAEP-256")


@pytest.mark.parametrize(
    ("alg", "operations", "encrypts", "decrypts"),
    [
        ("dir", ["encrypt", "decrypt"], True, True),
        ("dir", ["decrypt"], False, True),
        ("A256KW", ["wrapKey"], True, False),
        ("A256KW", ["unwrapKey", "wrapKey"], True, True),
        ("RSA-OAEP-256", ["unwrapKey"], True, True),
        ("ECDH-ES", ["deriveBits"], True, True),
        ("ECDH-ES", ["deriveKey", "deriveBits"], True, True),
    ],
)
def test_key_operations(alg: str, operations: list[str], encrypts: bool, decrypts: bool) -> None:
    """RFC 7517 section 4.3: a key does what its `key_ops` say; they speak of the private half, for there is no keeping
    anybody from using the public one."""
    box = hidden(alg)
    read = jose.EncryptionKey.from_jwk({**box.to_jwk(private=True), "key_ops": operations})
    assert (read.wrap is not None, read.unwrap is not None) == (encrypts, decrypts)
    if not encrypts:
        with pytest.raises(jose.InvalidKey):
            jose.encrypt(b"", read)
    if not decrypts:
        with pytest.raises(jose.InvalidKey):
            jose.decrypt(jose.encrypt(b"", box), read)


@pytest.mark.parametrize(
    "changes",
    [{"use": "sig"}, {"use": None}, {"key_ops": []}, {"key_ops": "decrypt"}, {"key_ops": ["decrypt", "decrypt"]},
     {"key_ops": ["wrapKey"]}, {"key_ops": [1]}, {"key_ops": ["verify"]}, {"kid": ""}, {"kid": 1}, {"alg": "A256KW"},
     {"alg": None}, {"alg": "RSA-OAEP"}, {"kty": "EC"}, {"kty": "oct"}, {"kty": ["OKP"]}, {"crv": "Ed25519"},
     {"crv": "X448"}, {"crv": ["X25519"]}, {"x": ""}, {"x": "AA"}, {"d": "AA"}, {"d": b64(b"\x01" * 32)}],
    ids=str,
)  # fmt: skip
def test_broken_jwks(changes: dict[str, Any]) -> None:
    """A private JWK with one member wrong is refused."""
    with pytest.raises(jose.InvalidKey):
        jose.EncryptionKey.from_jwk({**hidden("ECDH-ES").to_jwk(private=True), **changes}, "ECDH-ES")


@pytest.mark.parametrize("alg", ["dir", "A256KW", "ECDH-ES", "RSA-OAEP-256"])
def test_a_key_that_may_do_nothing_is_none(alg: str) -> None:
    """An empty `key_ops` is no permission at all, rather than every one."""
    for private in (True, False) if not hidden(alg).symmetric else (True,):
        with pytest.raises(jose.InvalidKey):
            jose.EncryptionKey.from_jwk({**hidden(alg).to_jwk(private=private), "key_ops": []})


def test_dir_keys_as_jwk() -> None:
    """`alg` of a `dir` key names its content encryption (as in RFC 7520 section 5.6); with `dir`, the caller does."""
    secret = {"kty": "oct", "k": b64(b"\x09" * 32)}
    named = jose.EncryptionKey.from_jwk({**secret, "alg": "A256GCM"})
    told = jose.EncryptionKey.from_jwk({**secret, "alg": "dir"}, encs=("A256GCM",))
    assert named.encs == told.encs == ("A256GCM",)
    assert named.to_jwk(private=True)["alg"] == told.to_jwk(private=True)["alg"] == "A256GCM"
    for members, alg, encs in (
        (secret, None, None), (secret, "dir", None), (secret, "A256GCM", None), ({**secret, "alg": "dir"}, None, None),
        ({**secret, "alg": "A256GCM"}, "A256KW", None), ({**secret, "alg": "A256GCM"}, None, ("A128CBC-HS256",)),
        ({**secret, "alg": "A128GCM"}, None, None),
    ):  # fmt: skip
        with pytest.raises(jose.InvalidKey):
            jose.EncryptionKey.from_jwk(members, alg, encs=encs)


def test_a_key_never_changes() -> None:
    """Nothing can be assigned to a key or removed from it, and it cannot be copied into another."""
    box = hidden("A256KW")
    for name in ("alg", "kid", "encs", "wrap", "unwrap", "management", "_material", "other"):
        with pytest.raises(AttributeError):
            setattr(box, name, None)
        with pytest.raises(AttributeError):
            delattr(box, name)
    with suppress(AttributeError, TypeError):
        assert copy.copy(box).alg == box.alg


def test_key_set() -> None:
    """A set publishes public halves only, reads them back, and passes over what is not for encryption."""
    boxes = [hidden(alg) for alg in MANAGED if not hidden(alg).symmetric]
    keys = jose.EncryptionKeySet(
        [jose.EncryptionKey.from_jwk({**box.to_jwk(private=True), "kid": str(at)}) for at, box in enumerate(boxes)]
    )
    published = keys.to_jwks()
    assert len(keys) == len(published["keys"]) == 3
    assert not any({"d", "k", "p"} & set(jwk) for jwk in published["keys"])
    foreign = [{"kty": "new"}, key("ES256").to_jwk(), {"kty": "RSA", "alg": "RSA1_5", "use": "enc"}, {"kty": "OKP"},
               {**boxes[0].to_jwk(), "crv": "X448"},
               {**boxes[0].to_jwk(), "crv": ["X25519"]}, {**boxes[0].to_jwk(), "kty": {}},
               {**boxes[0].to_jwk(), "use": "sig"}]  # fmt: skip
    again = jose.EncryptionKeySet.from_jwks(json.dumps({"keys": [*published["keys"], *foreign]}))
    assert [box.kid for box in again] == [box.kid for box in keys]
    assert again.get("0") is not None
    assert again.get("9") is None
    assert jose.EncryptionKeySet([hidden("A256KW")]).to_jwks() == {"keys": []}
    for wrong in ({}, {"keys": {}}, {"keys": [1]}, {"keys": [{}] * (JWK_SET_KEYS + 1)}, "x", None):
        with pytest.raises(jose.InvalidKey):
            jose.EncryptionKeySet.from_jwks(wrong)  # type: ignore[arg-type]


def test_what_cannot_be_encrypted() -> None:
    """A header that is not the caller's to set, one that is not JSON, and a token that no recipient would take."""
    box = hidden("ECDH-ES").public()
    for headers in ({"alg": "dir"}, {"enc": "A128GCM"}, {"epk": {}}, {"zip": "DEF"}, {"crit": ["x"]}, {"kid": "x"},
                    {"x": object()}, {"x": float("nan")}, {"apu": "="}, {"apv": 1}, {"x": "y" * 4096}):  # fmt: skip
        with pytest.raises(jose.Unencryptable):
            jose.encrypt(b"", box, headers=headers)
    with pytest.raises(jose.Unencryptable):
        jose.encrypt(bytes(ENCRYPTED_CREDENTIAL_CHARS * 3 // 4), box)
    with pytest.raises(jose.Unencryptable):
        jose.encrypt(b"", box, enc="A192GCM")
    with pytest.raises(jose.Unsignable):
        jose.sign_then_encrypt(claims(exp="soon"), key("ES256"), box)
    largest = jose.sign({"x": "y" * 2900}, key("ES256"))
    assert len(jose.encrypt_token(largest, box)) < ENCRYPTED_CREDENTIAL_CHARS


def test_parties_are_part_of_the_key() -> None:
    """RFC 7518 section 4.6.2: `apu` and `apv` of the caller are sent, and derived from."""
    box = hidden("ECDH-ES", "P-256")
    token = jose.encrypt(PLAINTEXT, box.public(), headers={"apu": b64(b"Alice"), "apv": b64(b"Bob")})
    assert header_of(token)["apu"] == b64(b"Alice")
    assert jose.decrypt(token, box).plaintext == PLAINTEXT


def test_given_randomness_is_used() -> None:
    """Same randomness, same token: nothing else is drawn for a wrapped key."""
    box = hidden("A256KW")
    first, second = (jose.encrypt(PLAINTEXT, box, random=lambda size: b"\x03" * size) for _ in range(2))
    assert first == second
    assert unb64(first.split(".")[2]) == b"\x03" * ENCRYPTIONS["A256GCM"].iv_bytes
