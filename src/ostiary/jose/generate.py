"""New asymmetric keys."""

from typing import Any

from ostiary.jose.algorithms import Algorithm
from ostiary.jose.errors import InvalidKey
from ostiary.limits import RSA_BITS_MAX, RSA_BITS_MIN


def generate_pair(algorithm: Algorithm, bits: int) -> Any:
    """A private key of `cryptography`. `EdDSA` gets Ed25519; `bits` counts for RSA."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

    match algorithm.curves:
        case ():
            if not RSA_BITS_MIN <= bits <= RSA_BITS_MAX:
                raise InvalidKey("an RSA key must have 2048 to 16384 bits")
            return rsa.generate_private_key(65537, bits)
        case ("P-256",):
            return ec.generate_private_key(ec.SECP256R1())
        case ("P-384",):
            return ec.generate_private_key(ec.SECP384R1())
        case ("P-521",):
            return ec.generate_private_key(ec.SECP521R1())
        case ("Ed448",):
            return ed448.Ed448PrivateKey.generate()
        case _:
            return ed25519.Ed25519PrivateKey.generate()


def generate_for_encryption(crv: str, bits: int) -> Any:
    """A private key on the curve `crv`; without one, an RSA key of `bits`."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519

    match crv:
        case "":
            if not RSA_BITS_MIN <= bits <= RSA_BITS_MAX:
                raise InvalidKey("an RSA key must have 2048 to 16384 bits")
            return rsa.generate_private_key(65537, bits)
        case "X25519":
            return x25519.X25519PrivateKey.generate()
        case "P-256":
            return ec.generate_private_key(ec.SECP256R1())
        case "P-384":
            return ec.generate_private_key(ec.SECP384R1())
        case "P-521":
            return ec.generate_private_key(ec.SECP521R1())
        case _:
            raise InvalidKey("the curve is not one of ours")
