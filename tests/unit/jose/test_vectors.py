"""What the RFCs, the JOSE cookbook and the mission print must come out byte for byte."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.jose.forge import POLICY, code_of, unb64

from ostiary import jose

VECTORS = Path(__file__).parents[2] / "vectors" / "jose"
COOKBOOK = Path(__file__).parents[4] / "shared" / "vectors" / "ietf-jose-cookbook"
SIGNATURES = json.loads((VECTORS / "signatures.json").read_text())
THUMBPRINTS = json.loads((VECTORS / "thumbprints.json").read_text())


@pytest.mark.parametrize("vector", SIGNATURES, ids=lambda vector: vector["source"])
def test_published_token_verifies(vector: dict[str, Any]) -> None:
    """M-20: a token that an RFC prints verifies under its key and yields its payload."""
    key = jose.Key.from_jwk(vector["key"], vector["alg"])
    verified = jose.verify_signature(vector["token"], key)
    assert verified.payload == unb64(vector["token"].split(".")[1])
    assert verified.header.alg == vector["alg"]


@pytest.mark.parametrize("vector", SIGNATURES, ids=lambda vector: vector["source"])
def test_published_signature_is_made_again(vector: dict[str, Any]) -> None:
    """M-20: where the algorithm is deterministic, signing the same bytes gives the printed signature."""
    key = jose.Key.from_jwk(vector["key"], vector["alg"])
    signed, _, signature = vector["token"].rpartition(".")
    made = key.sign(signed.encode())
    assert (made == unb64(signature)) is vector["deterministic"]
    assert key.verify(made, signed.encode())


@pytest.mark.parametrize("vector", THUMBPRINTS, ids=lambda vector: vector["source"])
def test_published_thumbprint(vector: dict[str, Any]) -> None:
    """RFC 7638 and RFC 9278: the thumbprint depends on nothing but the required members."""
    key = jose.Key.from_jwk(vector["key"], vector["alg"])
    assert key.thumbprint() == vector["thumbprint"]
    assert key.thumbprint_uri() == f"urn:ietf:params:oauth:jwk-thumbprint:sha-256:{vector['thumbprint']}"
    assert key.kid == vector["key"].get("kid", vector["thumbprint"])


def test_m21_the_first_known_token() -> None:
    """M-21: header, payload and the six-byte key give exactly this token, through the insecure entry point only."""
    key = jose.insecure_hmac_key_shorter_than_the_hash(b"secret")
    token = jose.sign({"user_id": "zhangsan"}, key)
    assert token == (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjoiemhhbmdzYW4ifQ"
        ".ec7IVPU-ePtbdkb85IRnK4t4nUVvF2bBf8fGhJmEwSs"
    )
    assert jose.verify_signature(token, key).payload == b'{"user_id":"zhangsan"}'
    with pytest.raises(jose.InvalidKey):
        jose.Key.from_secret(b"secret", "HS256")


M22_HEAD = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJuYW1lIjoi5byg5LiJIiwiaWF0IjoxNDYyODgxNDM3fQ."


def test_m22_the_second_known_token() -> None:
    """M-22: text outside ASCII is UTF-8, not escaped."""
    key = jose.insecure_hmac_key_shorter_than_the_hash(b"shhhhh")
    token = jose.sign({"name": "张三", "iat": 1462881437}, key)
    assert token == M22_HEAD + "mwxW_k9YLfDdjQc_6OuLvKUMkjRhRfAm-m17Uvec-G8"


def test_m22_the_widely_copied_variant_is_not_signed() -> None:
    """M-22: it fails as an invalid signature, and still decodes without verification."""
    token = M22_HEAD + "uVWC2h0_r1F4FZ3qDLkGN5KoFYbyZrFpRJMONZrJJog"
    assert code_of(token, jose.insecure_hmac_key_shorter_than_the_hash(b"shhhhh"), POLICY) == "invalid_signature"
    assert jose.decode_unverified(token).claims == {"name": "张三", "iat": 1462881437}


def test_the_respaced_header_is_another_token() -> None:
    """A signature covers bytes, not meaning: two spellings of one header are not interchangeable."""
    key = jose.insecure_hmac_key_shorter_than_the_hash(b"secret")
    spaced, body = "eyJhbGciOiAiSFMyNTYiLCAidHlwIjogIkpXVCJ9", "eyJ1c2VyX2lkIjoiemhhbmdzYW4ifQ"
    assert jose.verify_signature(f"{spaced}.{body}.7L7NZefbaX8rUawIfr8WTvBRS44_1YYcE16zO3KKyOc", key)
    assert code_of(f"{spaced}.{body}.ec7IVPU-ePtbdkb85IRnK4t4nUVvF2bBf8fGhJmEwSs", key) == "invalid_signature"


def stem(path: Path | None) -> str:
    return path.stem if path else "absent"


def cookbook(pattern: str) -> list[Any]:
    """The files of the cookbook, or one skipped case where it is not beside the repository."""
    absent = pytest.param(None, id=f"no {pattern}", marks=pytest.mark.skip(reason="the cookbook is not here"))
    return sorted(COOKBOOK.glob(pattern)) or [absent]


@pytest.mark.parametrize("path", cookbook("jws/*.json") + cookbook("curve25519/jws.json"), ids=stem)
def test_cookbook_signatures(path: Path) -> None:
    """RFC 7520 section 4: what has a compact form verifies under the public half, unless its payload is detached."""
    vector = json.loads(path.read_text())
    compact = vector["output"].get("compact")
    if compact is None:
        with pytest.raises(jose.MalformedToken):
            jose.decode_unverified(json.dumps(vector["output"]))
        return
    private = jose.Key.from_jwk(vector["input"]["key"], vector["input"]["alg"])
    key = private if private.algorithm.symmetric else private.public()
    if ".." in compact:
        with pytest.raises(jose.InvalidSignature):
            jose.verify_signature(compact, key)
        return
    assert jose.verify_signature(compact, key).payload == vector["input"]["payload"].encode()
    if vector.get("reproducible"):
        assert jose.sign_bytes(vector["input"]["payload"].encode(), private).count(".") == 2
        signed, _, signature = compact.rpartition(".")
        assert private.sign(signed.encode()) == unb64(signature)


@pytest.mark.parametrize("path", cookbook("rfc7797/*.json"), ids=stem)
def test_cookbook_unencoded_payloads_are_refused(path: Path) -> None:
    """RFC 7797 is not supported, so none of its tokens may pass, in whatever form."""
    text = path.read_text()
    outputs = json.loads(text[text.index("{") :])["output"]
    for output in outputs.values():
        token = output if isinstance(output, str) else json.dumps(output)
        with pytest.raises(jose.MalformedToken):
            jose.verify_signature(token, jose.Key.generate("HS256"))


@pytest.mark.parametrize("path", cookbook("jwk/*.json"), ids=stem)
def test_cookbook_keys(path: Path) -> None:
    """RFC 7520 section 3: a signature key goes in and comes out unchanged; an encryption key never comes in."""
    members = json.loads(path.read_text())
    alg = {"EC": "ES512", "RSA": "RS256", "oct": "HS256"}[members["kty"]]
    if members.get("use") == "enc" or members.get("alg", alg) != alg:
        with pytest.raises(jose.InvalidKey):
            jose.Key.from_jwk(members, alg)
        return
    key = jose.Key.from_jwk(path.read_bytes(), alg)
    written = key.to_jwk(private=key.private)
    assert {name: written[name] for name in members} == members


def test_panva_vectors() -> None:
    """The deterministic examples that another implementation ships verify here."""
    path = COOKBOOK / "panva-jose" / "jws.json"
    if not path.exists():
        pytest.skip("the cookbook is not beside the repository")
    seen = 0
    for vector in json.loads(path.read_text()):
        compact, alg = vector.get("output", {}).get("compact"), vector["input"].get("alg")
        if compact is None or ".." in compact or not isinstance(alg, str) or alg.startswith("ML-"):
            continue
        members = {name: value for name, value in vector["input"]["key"].items() if name != "ext"}
        assert jose.verify_signature(compact, jose.Key.from_jwk(members, alg)).payload
        seen += 1
    assert seen >= 4


def test_joserfc_vectors() -> None:
    """So do the RFC 7520 tokens of a third."""
    folder = COOKBOOK / "joserfc"
    if not folder.exists():
        pytest.skip("the cookbook is not beside the repository")
    tests = json.loads((folder / "jws_rfc7520.json").read_text())["tests"]
    verified = 0
    for vector in tests:
        name = vector.get("public_key") or vector.get("key") or vector.get("secret")
        if "compact" not in vector or not str(name).endswith(".json"):
            continue
        key = jose.Key.from_jwk((folder / "keys" / name).read_bytes(), vector["protected"]["alg"])
        assert jose.verify_signature(vector["compact"], key).payload
        verified += 1
    assert verified >= 3
