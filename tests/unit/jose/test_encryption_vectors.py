"""What the RFCs and the JOSE cookbook print about encryption comes out byte for byte."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.jose.forge import unb64

from ostiary import jose
from ostiary.jose import key_management
from ostiary.jose.content import decrypt_content, encrypt_content
from ostiary.jose.encoding import decode_object
from ostiary.jose.jwe_algorithms import ENCRYPTIONS, KEY_MANAGEMENT

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "jose" / "encrypted.json").read_text())
COOKBOOK = Path(__file__).parents[4] / "shared" / "vectors" / "ietf-jose-cookbook"


def named(vector: dict[str, Any]) -> str:
    return str(vector["source"])


@pytest.mark.parametrize("vector", VECTORS["tokens"], ids=named)
def test_published_token_decrypts(vector: dict[str, Any]) -> None:
    """M-20: a JWE that an RFC prints decrypts under its key, and under a key with another secret it does not."""
    key = jose.EncryptionKey.from_jwk(vector["key"], vector["alg"])
    found = jose.decrypt(vector["token"], key)
    assert (found.plaintext.decode(), found.header["enc"]) == (vector["plaintext"], vector["enc"])
    other = jose.EncryptionKey.generate(vector["alg"], encs=key.encs, crv=vector["key"].get("crv", ""))
    with pytest.raises(jose.DecryptionFailed):
        jose.decrypt(vector["token"], other)


@pytest.mark.parametrize("vector", [row for row in VECTORS["tokens"] if "again" in row], ids=named)
def test_published_token_is_made_again(vector: dict[str, Any]) -> None:
    """M-20: the printed content key and initialization vector give the printed encrypted key, ciphertext and tag."""
    segments = vector["token"].split(".")
    header = decode_object(unb64(segments[0]))
    key = jose.EncryptionKey.from_jwk(vector["key"], vector["alg"])
    row, drawn = ENCRYPTIONS[vector["enc"]], vector["again"]["content_key"]
    assert key.wrap
    content_key, encrypted_key = key.wrap(row, header, lambda size: unb64(drawn)[:size])
    assert encrypted_key == unb64(segments[1])
    sealed = encrypt_content(
        row, content_key, unb64(vector["again"]["iv"]), segments[0].encode(), vector["plaintext"].encode()
    )
    assert sealed == (unb64(segments[3]), unb64(segments[4]))


@pytest.mark.parametrize("vector", VECTORS["derived"], ids=named)
def test_published_derivation(vector: dict[str, Any]) -> None:
    """RFC 7518 section 4.6: agreement and Concat KDF, with both parties named, give the printed key."""
    key = jose.EncryptionKey.from_jwk(vector["key"], vector["alg"])
    assert key.unwrap
    found = key.unwrap(ENCRYPTIONS[vector["enc"]], vector["header"], b"")
    assert found == unb64(vector["derived"])
    for changed in ({"apu": "Qm9i"}, {"apv": "QWxpY2U"}, {"apv": ""}):
        assert key.unwrap(ENCRYPTIONS[vector["enc"]], {**vector["header"], **changed}, b"") != found


@pytest.mark.parametrize("vector", VECTORS["agreed"], ids=named)
def test_published_agreement(vector: dict[str, Any]) -> None:
    """RFC 8037 section 3.2: X25519 gives the printed secret, which is what the key derivation starts from."""
    private = jose.EncryptionKey.from_jwk(vector["private"], "ECDH-ES")
    assert private.unwrap
    found = private.unwrap(ENCRYPTIONS["A256GCM"], {"epk": vector["public"]}, b"")
    shared = bytes.fromhex(vector["shared"])
    assert found == key_management.derive(KEY_MANAGEMENT["ECDH-ES"], ENCRYPTIONS["A256GCM"], shared, {})


@pytest.mark.parametrize("vector", VECTORS["content"], ids=named)
def test_published_content_encryption(vector: dict[str, Any]) -> None:
    """RFC 7518 appendix B: the tag covers the ciphertext, so one that comes out right proves both."""
    row = ENCRYPTIONS[vector["enc"]]
    key, iv, aad = bytes(range(row.key_bytes)), bytes.fromhex(vector["iv"]), vector["aad"].encode()
    ciphertext, tag = encrypt_content(row, key, iv, aad, vector["plaintext"].encode())
    assert tag == bytes.fromhex(vector["tag"])
    assert decrypt_content(row, key, iv, aad, ciphertext, tag) == vector["plaintext"].encode()


def cookbook_tokens() -> list[Any]:
    """Each JWE of the folder beside the repository that has a compact form, or one skipped case."""
    found: list[Any] = []
    for path in sorted(COOKBOOK.glob("jwe/*.json")) + sorted(COOKBOOK.glob("curve25519/ecdh-es.json")):
        found.append(json.loads(path.read_text()))
    panva = COOKBOOK / "panva-jose" / "jwe.json"
    found += json.loads(panva.read_text()) if panva.exists() else []
    compact = [row for row in found if "compact" in row["output"]]
    return [pytest.param(row, id=f"{at} {row['title'][-30:]}") for at, row in enumerate(compact)] or [
        pytest.param(None, marks=pytest.mark.skip(reason="the cookbook is not here"))
    ]


@pytest.mark.parametrize("vector", cookbook_tokens())
def test_cookbook(vector: dict[str, Any]) -> None:
    """RFC 7520 section 5: what uses our algorithms decrypts; what does not (RSA1_5, PBES2, compression, ...) is refused
    at the key, or at the header."""
    alg, key = vector["input"]["alg"], vector["input"].get("key", "a password")
    compact = vector["output"]["compact"]
    if alg not in KEY_MANAGEMENT:
        with pytest.raises(jose.InvalidKey):
            jose.EncryptionKey.from_jwk(key, alg)
        with pytest.raises(jose.AlgorithmNotAllowed):
            jose.decrypt(compact, jose.EncryptionKey.generate("A256KW"))
        return
    members = {name: value for name, value in key.items() if name != "ext"}
    loaded = jose.EncryptionKey.from_jwk(members, alg)
    if vector["input"].get("zip"):
        with pytest.raises(jose.MalformedToken):
            jose.decrypt(compact, loaded)
        return
    assert jose.decrypt(compact, loaded).plaintext == vector["input"]["plaintext"].encode()


def test_joserfc_vectors() -> None:
    """The RFC 7520 tokens that another library ships, as far as they are ours, decrypt."""
    folder = COOKBOOK / "joserfc"
    if not folder.exists():
        pytest.skip("the cookbook is not beside the repository")
    seen = 0
    for vector in json.loads((folder / "jwe_rfc7520.json").read_text())["tests"]:
        alg = vector.get("protected", {}).get("alg")
        if alg not in KEY_MANAGEMENT or "compact" not in vector or "zip" in vector["protected"]:
            continue
        members = json.loads((folder / "keys" / vector["key"]).read_text()) if isinstance(vector["key"], str) else {}
        try:
            loaded = jose.EncryptionKey.from_jwk(members, alg, encs=(vector["protected"]["enc"],))
        except jose.InvalidKey:  # its secrets carry the algorithm of another vector
            members.pop("alg")
            loaded = jose.EncryptionKey.from_jwk(members, alg, encs=(vector["protected"]["enc"],))
        assert jose.decrypt(vector["compact"], loaded).plaintext
        seen += 1
    assert seen
