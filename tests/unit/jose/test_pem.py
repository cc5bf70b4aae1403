"""PEM in every form that other tools write, and out in one."""

import pytest
from cryptography.hazmat.primitives import serialization as ser
from tests.unit.jose.forge import ASYMMETRIC, NOW, POLICY, good, key

from ostiary import jose

PEM, NONE = ser.Encoding.PEM, ser.NoEncryption()


@pytest.mark.parametrize("password", [None, b"correct horse"])
@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_out_and_in_again(alg: str, password: bytes | None) -> None:
    """`to_pem` writes PKCS#8, encrypted if there is a password, and SubjectPublicKeyInfo; both come back as the key."""
    signer = key(alg)
    private, public = signer.to_pem(private=True, password=password), signer.to_pem()
    assert private.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-" if password else b"-----BEGIN PRIVATE KEY-")
    assert public.startswith(b"-----BEGIN PUBLIC KEY-")
    again = jose.Key.from_pem(private, alg=alg, password=password)
    assert again.kid == jose.Key.from_pem(public, alg=alg).kid == signer.kid
    assert jose.verify(good(again), signer, POLICY, now=NOW)
    assert signer.public().to_pem() == public
    if password is not None:
        for wrong in (None, b"", b"wrong"):
            with pytest.raises(jose.InvalidKey):
                jose.Key.from_pem(private, alg=alg, password=wrong)


@pytest.mark.parametrize(
    ("alg", "form", "marker"),
    [
        ("RS256", ser.PrivateFormat.TraditionalOpenSSL, b"BEGIN RSA PRIVATE KEY"),
        ("ES256", ser.PrivateFormat.TraditionalOpenSSL, b"BEGIN EC PRIVATE KEY"),
        ("ES512", ser.PrivateFormat.TraditionalOpenSSL, b"BEGIN EC PRIVATE KEY"),
        ("PS256", ser.PrivateFormat.PKCS8, b"BEGIN PRIVATE KEY"),
        ("Ed25519", ser.PrivateFormat.PKCS8, b"BEGIN PRIVATE KEY"),
    ],
)
def test_private_forms(alg: str, form: ser.PrivateFormat, marker: bytes) -> None:
    """PKCS#1 (RSA), SEC1 (EC) and PKCS#8 are read, as bytes and as text, also after a blank line."""
    pem: bytes = key(alg)._material[1].private_bytes(PEM, form, NONE)
    assert marker in pem
    for text in (pem, pem.decode(), b"\n" + pem):
        assert jose.Key.from_pem(text, alg=alg).kid == key(alg).kid
    encrypted: bytes = key(alg)._material[1].private_bytes(PEM, form, ser.BestAvailableEncryption(b"pass"))
    assert jose.Key.from_pem(encrypted, alg=alg, password=b"pass").kid == key(alg).kid
    with pytest.raises(jose.InvalidKey):
        jose.Key.from_pem(encrypted, alg=alg)


def test_public_forms() -> None:
    """SubjectPublicKeyInfo is read, and PKCS#1 of RSA."""
    public = key("RS256")._material[0]
    for form in (ser.PublicFormat.SubjectPublicKeyInfo, ser.PublicFormat.PKCS1):
        read = jose.Key.from_pem(public.public_bytes(PEM, form), alg="RS256")
        assert (read.kid, read.private) == (key("RS256").kid, False)


def test_what_has_no_pem_form() -> None:
    """A secret, a private half that is not there, and passwords that protect nothing or fit nowhere."""
    for refused in (
        lambda: key("HS256").to_pem(),
        lambda: key("HS256").to_pem(private=True),
        lambda: key("ES256").public().to_pem(private=True),
        lambda: key("ES256").to_pem(password=b"x"),
        lambda: key("ES256").to_pem(private=True, password=b""),
        lambda: key("ES256").to_pem(private=True, password=b"x" * 2000),
    ):
        with pytest.raises(jose.InvalidKey):
            refused()
