"""Known flaw classes 1 to 16: algorithm and key confusion, weak keys."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x448, x25519
from tests.unit.jose.forge import (
    ALGS,
    ASYMMETRIC,
    NOW,
    POLICY,
    b64,
    claims,
    code_of,
    good,
    header,
    header_code,
    key,
    raw_token,
    resign,
)

from ostiary import jose


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", ["", "kept"])
def test_flaw_01_alg_none(alg: str, signature: str) -> None:
    """No spelling of `none` passes under any key, with or without a signature, whatever the kid."""
    for signer in (key("HS256"), key("ES256")):
        token = raw_token(header(signer, alg=alg), claims(), signer)
        token = token if signature else token.rpartition(".")[0] + "."
        for keys in (signer, jose.KeySet([signer])):
            assert code_of(token, keys) == ("algorithm_not_allowed" if signature else "malformed")
    with pytest.raises(jose.InvalidKey):
        jose.Key.from_secret(b"k" * 32, alg)


def encodings(public: Any) -> list[bytes]:
    spki = public.public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo)
    body = b"".join(spki.splitlines()[1:-1])
    found = [
        spki,
        spki.strip(),
        b"\n" + spki,
        b" \t\r\n" + spki,
        b"\xef\xbb\xbf" + spki,
        spki.replace(b"\n", b"\r\n"),
        b"-----BEGIN PUBLIC KEY-----\n" + body + b"\n-----END PUBLIC KEY-----",
        der,
        body,
        b"\n" + body,
    ]
    if not isinstance(public, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        found.append(public.public_bytes(ser.Encoding.PEM, ser.PublicFormat.PKCS1))
        found.append(public.public_bytes(ser.Encoding.DER, ser.PublicFormat.PKCS1))
    return [*found, public.public_bytes(ser.Encoding.OpenSSH, ser.PublicFormat.OpenSSH)]


@pytest.mark.parametrize("alg", ["RS256", "ES256", "Ed25519"])
def test_flaw_02_public_key_text_as_hmac_secret(alg: str) -> None:
    """An encoded public key is refused as an HMAC secret, in every encoding and however it is wrapped."""
    for text in encodings(key(alg).public()._material[0]):
        for make in (jose.Key.from_secret, jose.insecure_hmac_key_shorter_than_the_hash):
            with pytest.raises(jose.InvalidKey):
                make(text, "HS256")


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
def test_flaw_02_hmac_token_under_an_asymmetric_key(alg: str) -> None:
    """A token that is MACed with the public key's text is refused: the header never selects the primitive."""
    import hashlib
    import hmac

    signer = key(alg)
    for text in encodings(signer.public()._material[0]):
        signed = f"{b64(json.dumps(header(signer, alg='HS256')).encode())}.{b64(json.dumps(claims()).encode())}"
        token = f"{signed}.{b64(hmac.digest(text, signed.encode(), hashlib.sha256))}"
        assert code_of(token, signer.public()) == "algorithm_not_allowed"
        assert code_of(token, jose.KeySet([signer.public()])) == "algorithm_not_allowed"


def test_flaw_03_public_jwk_text_as_hmac_secret() -> None:
    """The JSON of a JWK or of a JWK set is refused as a secret; braces alone are not."""
    public = key("RS256").public()
    for text in (json.dumps(public.to_jwk()), json.dumps(jose.KeySet([public]).to_jwks(), indent=2)):
        for secret in (text.encode(), b"\n " + text.encode()):
            with pytest.raises(jose.InvalidKey):
                jose.Key.from_secret(secret, "HS256")
    assert jose.Key.from_secret(b"{random bytes may look like this", "HS256")
    assert jose.Key.from_secret(b"[" * 100_000, "HS256")


def test_flaw_04_jwk_without_alg() -> None:
    """A JWK that does not say its algorithm is unusable until the caller does; stated twice, both must agree."""
    members = key("RS256").public().to_jwk()
    del members["alg"]
    with pytest.raises(jose.InvalidKey):
        jose.Key.from_jwk(members)
    assert jose.Key.from_jwk(members, "PS256").alg == "PS256"
    with pytest.raises(jose.InvalidKey):
        jose.Key.from_jwk({**members, "alg": "RS256"}, "PS256")
    assert len(jose.KeySet.from_jwks({"keys": [members]})) == 0
    assert len(jose.KeySet.from_jwks({"keys": [members]}, "RS256")) == 1


@pytest.mark.parametrize("alg", ["HS256", "RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("claimed", ALGS)
def test_flaw_05_the_algorithm_that_runs_is_the_keys(alg: str, claimed: str) -> None:
    """A header that names another algorithm than the key's is refused, even over a signature that is right."""
    signer = key(alg)
    token = raw_token(header(signer, alg=claimed), claims(), signer)
    if claimed == alg:
        assert jose.verify(token, signer, POLICY, now=NOW)
    else:
        assert code_of(token, signer) == "algorithm_not_allowed"
        other = (
            {key(claimed, 1), signer} if key(claimed).algorithm.symmetric == signer.algorithm.symmetric else {signer}
        )
        assert code_of(token, jose.KeySet(other)) == "algorithm_not_allowed"


@pytest.mark.parametrize("alg", ["PS256", "RS384", "PS512"])
def test_flaw_06_one_rsa_key_two_algorithms(alg: str) -> None:
    """A key bound to one RSA algorithm refuses what the same numbers signed with another."""
    token = good(key("RS256"))
    assert code_of(token, key(alg)) == "algorithm_not_allowed"
    signed = raw_token(header(key("RS256"), alg=alg), claims(), key("RS256"))
    assert code_of(signed, key(alg)) == "invalid_signature"


def materials() -> dict[str, Any]:
    return {
        "oct": b"k" * 64,
        "RSA": key("RS256")._material[1],
        "P-256": key("ES256")._material[1],
        "P-384": key("ES384")._material[1],
        "P-521": key("ES512")._material[1],
        "Ed25519": key("Ed25519")._material[1],
        "Ed448": key("Ed448")._material[1],
        "P-256K": ec.generate_private_key(ec.SECP256K1()),
        "X25519": x25519.X25519PrivateKey.generate(),
        "X448": x448.X448PrivateKey.generate(),
        "DSA": dsa.generate_private_key(1024),  # noqa: S505 - made to be refused
        "text": "k" * 64,
        "nothing": None,
    }


FITS = {
    "HS": {"oct"},
    "RS": {"RSA"},
    "PS": {"RSA"},
    "ES256": {"P-256"},
    "ES384": {"P-384"},
    "ES512": {"P-521"},
    "EdDSA": {"Ed25519", "Ed448"},
    "Ed25519": {"Ed25519"},
    "Ed448": {"Ed448"},
}


def test_flaw_07_and_08_every_algorithm_refuses_every_other_type_and_curve() -> None:
    """A key is judged when it is made: type and curve must be the algorithm's, public or private."""
    every = materials()
    for alg in ALGS:
        fits = FITS.get(alg) or FITS[alg[:2]]
        for name, material in every.items():
            halves = [material, material.public_key()] if hasattr(material, "public_key") else [material]
            for half in halves:
                if name in fits:
                    assert jose.Key(half, alg).alg == alg
                else:
                    with pytest.raises(jose.InvalidKey):
                        jose.Key(half, alg)


def test_flaw_09_a_key_in_the_header_is_never_trusted() -> None:
    """A signature by the key that the header brings along is refused, and `None` as keys is a programming error."""
    attacker, trusted = key("ES256"), key("ES256", 1)
    token = raw_token(header(attacker, jwk=attacker.public().to_jwk()), claims(), attacker)
    assert code_of(token, trusted) == "malformed"
    assert code_of(token, attacker) == "malformed"
    for nobody in (None, {}, [], "", b"secret", (trusted,), {"kid": trusted}):
        with pytest.raises(TypeError):
            jose.verify_signature(good(trusted), nobody)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["jku", "x5u", "x5c", "jwk"])
@pytest.mark.parametrize("value", ["http://127.0.0.1:1/keys", "file:///etc/passwd", "", None, [], {}])
def test_flaw_10_no_header_names_a_place_to_fetch_keys(name: str, value: object) -> None:
    """Members that point to keys are refused outright, so there is nothing to fetch."""
    assert header_code(header(key("HS256"), **{name: value})) == "malformed"


@pytest.mark.parametrize("kid", ["../../dev/null", "' OR 1=1--", "__class__", "__proto__", "\x00", "", "k" * 256])
def test_flaw_11_kid_is_only_looked_up(kid: str) -> None:
    """A kid is an exact dictionary key, and nothing else."""
    signer = key("HS256")
    token = raw_token(header(signer, kid=kid), claims(), signer)
    with pytest.raises(jose.UnknownKey) as caught:
        jose.verify(token, jose.KeySet([signer]), POLICY, now=NOW)
    assert caught.value.kid == kid
    assert kid == "" or kid not in str(caught.value)


@pytest.mark.parametrize("kid", [1, None, True, [], {}, ["a"], 1.5, "k" * 257])
def test_flaw_11_kid_of_another_type(kid: object) -> None:
    """A kid that is not a string, or is too long, is malformed and not merely unknown."""
    signer = key("HS256")
    for keys in (signer, jose.KeySet([signer])):
        assert code_of(raw_token(header(signer, kid=kid), claims(), signer), keys) == "malformed"


def test_flaw_11_a_set_wants_a_kid() -> None:
    """Against a set a kid is mandatory, even if the set has one key."""
    signer = key("HS256")
    with pytest.raises(jose.UnknownKey) as caught:
        jose.verify_signature(raw_token(header(signer, kid=...), claims(), signer), jose.KeySet([signer]))
    assert caught.value.kid is None


def test_a_single_key_was_chosen_by_the_caller() -> None:
    """M-23: against one key the kid does not count, so that a wrong key is always an invalid signature."""
    signer, other = key("HS256"), key("HS256", 1)
    assert code_of(good(signer), other) == "invalid_signature"
    assert jose.verify(raw_token(header(signer, kid="other"), claims(), signer), signer, POLICY, now=NOW)
    assert jose.verify(raw_token(header(signer, kid=...), claims(), signer), signer, POLICY, now=NOW)


def test_flaw_12_one_kid_one_key() -> None:
    """Two keys of one name cannot be in one set, loaded or built."""
    one, two = (jose.Key.generate("ES256", kid="same") for _ in range(2))
    with pytest.raises(jose.InvalidKey):
        jose.KeySet([one, two])
    with pytest.raises(jose.InvalidKey):
        jose.KeySet.from_jwks({"keys": [one.public().to_jwk(), two.public().to_jwk()]})


def test_flaw_13_a_set_is_symmetric_or_not() -> None:
    """Secrets and public keys never share a set."""
    with pytest.raises(jose.InvalidKey):
        jose.KeySet([key("HS256"), key("ES256")])
    mixed = {"keys": [key("HS256").to_jwk(private=True) | {"kid": "a"}, key("ES256").public().to_jwk()]}
    with pytest.raises(jose.InvalidKey):
        jose.KeySet.from_jwks(json.dumps(mixed))


@pytest.mark.parametrize("secret", [b"", "", None, 0, False, bytearray(32), "k" * 32], ids=repr)
def test_flaw_14_empty_and_falsy_secrets(secret: Any) -> None:
    """What is empty, or not bytes, is no key; not even through the insecure entry point."""
    for make in (jose.Key.from_secret, jose.insecure_hmac_key_shorter_than_the_hash, jose.Key):
        with pytest.raises(jose.InvalidKey):
            make(secret, "HS256")
    with pytest.raises(jose.InvalidKey):
        jose.Key.from_jwk({"kty": "oct", "k": secret, "alg": "HS256"})


@pytest.mark.parametrize(("alg", "least"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_flaw_15_short_hmac_keys(alg: str, least: int) -> None:
    """RFC 7518 section 3.2: an HMAC key is at least as long as the hash."""
    assert jose.Key.from_secret(b"\1" * least, alg)
    with pytest.raises(jose.InvalidKey):
        jose.Key.from_secret(b"\1" * (least - 1), alg)
    with pytest.raises(jose.InvalidKey):
        jose.Key.from_jwk({"kty": "oct", "k": b64(b"\1" * (least - 1)), "alg": alg})


def rsa_jwk(n: int, e: int = 65537) -> dict[str, str]:
    def text(number: int) -> str:
        return b64(number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big"))

    return {"kty": "RSA", "alg": "RS256", "n": text(n), "e": text(e)}


def test_flaw_15_weak_rsa_keys() -> None:
    """Too small, too large, a bad exponent, an even modulus or a small factor: refused when loaded."""
    n: int = key("RS256")._material[0].public_numbers().n
    assert jose.Key.from_jwk(rsa_jwk(n))
    assert jose.Key.from_jwk(rsa_jwk(n, 3))
    for e in (0, 1, 2, 65536, 2**64 + 1):
        with pytest.raises(jose.InvalidKey):
            jose.Key.from_jwk(rsa_jwk(n, e))
    for modulus in (n - 1, 3 * (n // 3), 2**2047 - 1, n >> 1, 2**16384 + 1, 1):
        with pytest.raises(jose.InvalidKey):
            jose.Key.from_jwk(rsa_jwk(modulus))
    small = rsa.generate_private_key(65537, 1024)  # noqa: S505 - made to be refused
    for half in (small, small.public_key()):
        with pytest.raises(jose.InvalidKey):
            jose.Key(half, "RS256")
    for bits in (1024, 2047, 16385):
        with pytest.raises(jose.InvalidKey):
            jose.Key.generate("RS256", bits=bits)


def test_flaw_16_roca() -> None:
    """A modulus with the fingerprint of CVE-2017-15361 is refused, and one that misses it in one prime is not."""
    product = 2
    for prime in range(3, 168, 2):
        if all(prime % divisor for divisor in range(3, prime, 2)):
            product *= prime
    weak = pow(65537, 12345, product) + product * ((1 << 2047) // product + 1)
    assert weak % 2 == 1
    assert weak.bit_length() == 2048
    with pytest.raises(jose.InvalidKey, match="ROCA"):
        jose.Key.from_jwk(rsa_jwk(weak))
    # 3 is a power of 65537 modulo 11 no more than 2 is: 65537 generates {1, 10} there
    near = next(
        weak + step * (product // 11) * 2
        for step in range(1, 11)
        if (weak + step * (product // 11) * 2) % 11 not in (0, 1, 10)
    )
    assert jose.Key.from_jwk(rsa_jwk(near))


@pytest.mark.parametrize("alg", ASYMMETRIC)
@pytest.mark.parametrize(
    "changes",
    [
        {"use": "enc"},
        {"use": None},
        {"use": ["sig"]},
        {"key_ops": []},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"key_ops": ["encrypt"]},
        {"key_ops": ["verify", "verify"]},
        {"key_ops": ["verify", "wrapKey"]},
        {"key_ops": [1]},
        {"key_ops": None},
        {"alg": "none"},
        {"alg": None},
        {"alg": 1},
        {"alg": "RSA-OAEP"},
        {"kty": "oct"},
        {"kty": None},
        {"kty": ["EC"]},
        {"kid": ""},
        {"kid": 1},
        {"kid": None},
        {"kid": "k" * 257},
    ],
    ids=str,
)
def test_a_public_jwk_says_nothing_that_contradicts_its_use(alg: str, changes: dict[str, Any]) -> None:
    """RFC 7517 section 4: `use`, `key_ops`, `alg`, `kty` and `kid` are obeyed, and their types are checked."""
    with pytest.raises(jose.InvalidKey):
        jose.Key.from_jwk({**key(alg).public().to_jwk(), **changes})


def test_key_ops_limit_a_symmetric_key() -> None:
    """A secret that may only verify does not sign, and the other way round."""
    members = key("HS256").to_jwk(private=True)
    only_verifies = jose.Key.from_jwk({**members, "key_ops": ["verify"]})
    only_signs = jose.Key.from_jwk({**members, "key_ops": ("sign",)})
    assert jose.verify(good(only_signs), only_verifies, POLICY, now=NOW)
    with pytest.raises(jose.InvalidKey):
        good(only_verifies)
    with pytest.raises(jose.InvalidKey):
        jose.verify(good(only_signs), only_signs, POLICY, now=NOW)
    with pytest.raises(jose.InvalidKey):
        jose.Key.from_jwk({**members, "key_ops": []})


def test_key_ops_of_a_private_key() -> None:
    """A private key needs `sign`; its public half may verify."""
    members = key("ES256").to_jwk(private=True)
    signer = jose.Key.from_jwk({**members, "key_ops": ["sign"]})
    assert jose.verify(good(signer), signer.public(), POLICY, now=NOW)
    with pytest.raises(jose.InvalidKey):
        jose.Key.from_jwk({**members, "key_ops": ["verify"]})


def test_a_public_key_does_not_sign() -> None:
    """Signing needs the private half."""
    with pytest.raises(jose.InvalidKey):
        good(key("ES256").public())
    with pytest.raises(jose.InvalidKey):
        resign("a.b", key("Ed25519").public())
