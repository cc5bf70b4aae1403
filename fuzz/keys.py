"""Keys: any JWK, JWK set or PEM text is `InvalidKey` or a key that works and can be written down again."""

import json
from collections.abc import Callable
from contextlib import suppress

from tests.unit.jose.forge import ALGS, key
from tests.unit.jose.forge_encrypted import KINDS, hidden

from fuzz.tokens import members
from ostiary import jose

SIGNING = [key(alg).to_jwk(private=True) for alg in ALGS]
ENCRYPTING = [hidden(alg, crv).to_jwk(private=True) for alg, crv in KINDS]
PUBLIC = [key(alg).to_jwk() for alg in ALGS[3:]]


def signs(found: jose.Key) -> None:
    again = jose.Key.from_jwk(json.dumps(found.to_jwk(private=found.private)))
    assert again.thumbprint() == found.thumbprint()
    assert (again.kid, again.alg) == (found.kid, found.alg)
    if found.private and "sign" in found.operations:
        message = b"something"
        made = found.sign(message)
        assert again.verify(made, message)
        assert not again.verify(made, b"something else")


def encrypts(found: jose.EncryptionKey) -> None:
    again = jose.EncryptionKey.from_jwk(json.dumps(found.to_jwk(private=found.private)), encs=found.encs)
    assert again.thumbprint() == found.thumbprint()
    if found.wrap is not None and found.unwrap is not None:
        assert jose.decrypt(jose.encrypt(b"something", found), again).plaintext == b"something"


def signing_key(data: bytes) -> None:
    with suppress(jose.InvalidKey):
        signs(jose.Key.from_jwk(data[1:], None if not data or data[0] > len(ALGS) else ALGS[data[0] % len(ALGS)]))


def encryption_key(data: bytes) -> None:
    with suppress(jose.InvalidKey):
        encrypts(jose.EncryptionKey.from_jwk(data))


def changed_signing_key(data: bytes) -> None:
    changes = members(data[1:])
    if changes is not None:
        with suppress(jose.InvalidKey):
            signs(jose.Key.from_jwk({**SIGNING[data[0] % len(SIGNING)], **changes}))


def changed_encryption_key(data: bytes) -> None:
    changes = members(data[1:])
    if changes is not None:
        with suppress(jose.InvalidKey):
            encrypts(jose.EncryptionKey.from_jwk({**ENCRYPTING[data[0] % len(ENCRYPTING)], **changes}))


def changed_public_key(data: bytes) -> None:
    changes = members(data[1:])
    if changes is not None:
        with suppress(jose.InvalidKey):
            signs(jose.Key.from_jwk({**PUBLIC[data[0] % len(PUBLIC)], **changes}))


def sets(data: bytes) -> None:
    for load in (jose.KeySet.from_jwks, jose.EncryptionKeySet.from_jwks):
        with suppress(jose.InvalidKey):
            found = load(data)
            assert len({one.kid for one in found}) == len(found)
            assert not any("d" in one or "k" in one for one in found.to_jwks()["keys"])


def pem(data: bytes) -> None:
    for alg in ("ES256", "RS256", "EdDSA"):
        with suppress(jose.InvalidKey):
            signs(jose.Key.from_pem(data, alg=alg))


FORMS: tuple[Callable[[bytes], None], ...] = (
    signing_key, encryption_key, changed_signing_key, changed_encryption_key, changed_public_key, sets, pem,
)  # fmt: skip


def one_input(data: bytes) -> None:
    if len(data) > 1:
        FORMS[data[0] % len(FORMS)](data[1:])


def seeds() -> list[bytes]:
    found = [bytes([0, at]) + json.dumps(jwk).encode() for at, jwk in enumerate(SIGNING)]
    found += [b"\1" + json.dumps(jwk).encode() for jwk in ENCRYPTING]
    changes = [b'{"use":"enc"}', b'{"key_ops":["sign","verify"]}', b'{"kid":"x","alg":"ES256"}', b'{"x":"AAAA","y":""}']
    found += [bytes([form, at]) + change for form in (2, 3, 4) for at in range(12) for change in changes]
    found += [b"\5" + json.dumps({"keys": jwks}).encode() for jwks in (PUBLIC, ENCRYPTING[:4], SIGNING[:1])]
    return [*found, *(b"\6" + key(alg).to_pem(private=True) for alg in ("ES256", "EdDSA", "RS256"))]
