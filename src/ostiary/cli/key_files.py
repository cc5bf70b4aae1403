"""`ostiary key generate|public|thumbprint|inspect`: keys in files and on stdin. No database, and no key of a server."""

import json as json_module
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ostiary import jose
from ostiary.cli.files import write_secret
from ostiary.cli.key_material import FoundKey, found_keys
from ostiary.cli.options import AlwaysJson, Json, Kid
from ostiary.cli.output import note, say, say_json, say_record, warn
from ostiary.cli.shell import Usage
from ostiary.jose.algorithms import ALGORITHMS
from ostiary.jose.jwe_algorithms import KEY_MANAGEMENT
from ostiary.limits import RSA_BITS_MIN

File = Annotated[str, Parameter(help="JWK, JWK set or PEM file; - is stdin.", allow_leading_hyphen=True)]


def generate(
    *,
    alg: Annotated[str, Parameter(help="ES256, EdDSA, RS256, …; or ECDH-ES+A256KW, … to encrypt.")] = "ES256",
    bits: Annotated[int, Parameter(help="Size of an RSA key.")] = RSA_BITS_MIN,
    enc: Annotated[str | None, Parameter(help="Content encryption of a key to encrypt with, such as A256GCM.")] = None,
    kid: Annotated[Kid | None, Parameter(help="The key's id; by default its thumbprint (RFC 7638).")] = None,
    out: Annotated[Path | None, Parameter(help="A new file, which only you may read.")] = None,
    pem: Annotated[bool, Parameter(negative=(), help="PEM (PKCS#8) instead of a JWK.")] = False,
    json: AlwaysJson = False,
) -> None:
    """Make a private key: a JWK on stdout, or in a new file of mode 0600."""
    if json and pem:
        raise Usage("a key is written as JSON or as PEM, not as both")
    if alg in ALGORITHMS and enc is not None:
        raise Usage("--enc goes with an algorithm to encrypt with")
    if alg in ALGORITHMS:
        key: jose.Key | jose.EncryptionKey = jose.Key.generate(alg, kid=kid, bits=bits)
    elif alg in KEY_MANAGEMENT:
        key = jose.EncryptionKey.generate(alg, encs=(enc,) if enc is not None else None, kid=kid, bits=bits)
    else:
        raise Usage(f"the algorithm is one of {', '.join((*ALGORITHMS, *KEY_MANAGEMENT))}")
    content = key.to_pem(private=True).decode() if pem else _jwk_text(key.to_jwk(private=True))
    if out is None:
        say(content.rstrip("\n"))
        return
    write_secret(out, content.encode())
    note(f"{out}: a new {key.alg} key, {key.kid}.")


def public(
    source: File = "-",
    /,
    *,
    kid: Annotated[Kid | None, Parameter(help="Only the key of this id, of a JWK set.")] = None,
    pem: Annotated[bool, Parameter(negative=(), help="PEM instead of JWK.")] = False,
    json: Annotated[bool, Parameter(name="--json", negative=(), help="A JWK, of a PEM file too.")] = False,
) -> None:
    """Print the public half: of a PEM file as PEM, of a JWK as a JWK, of a JWK set as a JWK set.

    Parameters
    ----------
    source
        JWK, JWK set or PEM file; - is stdin.
    """
    if json and pem:
        raise Usage("a key is written as JSON or as PEM, not as both")
    found = found_keys(source)
    if kid is not None:
        chosen = tuple(key for key in found.keys if key.text("kid") == kid)
        if not chosen:
            raise Usage("the file holds no key of that id")
        found = replace(found, keys=chosen, is_set=False)
    if pem or (found.pem and not json):
        say("".join(key.public_pem() for key in found.keys).rstrip("\n"))
    elif found.is_set:
        say(_jwk_text({"keys": [key.public_jwk() for key in found.keys]}).rstrip("\n"))
    else:
        say(_jwk_text(found.keys[0].public_jwk()).rstrip("\n"))


def thumbprint(
    source: File = "-",
    /,
    *,
    uri: Annotated[bool, Parameter(negative=(), help="As a URI (RFC 9278).")] = False,
    json: Json = False,
) -> None:
    """Print the SHA-256 thumbprint (RFC 7638) of each key, a line each.

    Parameters
    ----------
    source
        JWK, JWK set or PEM file; - is stdin.
    """
    prefix = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:" if uri else ""
    thumbprints = [prefix + key.thumbprint() for key in found_keys(source).keys]
    if json:
        say_json({"thumbprints": thumbprints})
        return
    for text in thumbprints:
        say(text)


def inspect(source: File = "-", /, *, json: Json = False) -> None:
    """Say what the keys of a file are, and what is wrong with them; never what is secret in them.

    Parameters
    ----------
    source
        JWK, JWK set or PEM file; - is stdin.
    """
    found = found_keys(source)
    if json:
        say_json({"keys": [_shape(key) for key in found.keys], "cautions": found.cautions})
        return
    for number, key in enumerate(found.keys):
        if number:
            say()
        say_record(_shape(key))
    for text in found.cautions:
        warn(text)


def _shape(key: FoundKey) -> dict[str, Any]:
    return {
        "type": key.kty,
        "curve": key.crv or None,
        "bits": key.bits,
        "private": key.private,
        "alg": key.text("alg"),
        "use": key.text("use"),
        "kid": key.text("kid"),
        "thumbprint": key.thumbprint(),
        "cautions": key.cautions,
    }


def _jwk_text(jwk: dict[str, Any]) -> str:
    return json_module.dumps(jwk, indent=2) + "\n"
