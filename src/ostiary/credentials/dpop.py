"""DPoP: proofs that whoever presents a credential holds the key that it is bound to (RFC 9449).

Pure: what a proof has to say is checked here; whether it was seen before is for whoever keeps such a list.

The rules, in words:

* A proof is a `dpop+jwt` with an asymmetric algorithm, signed by the very key in its header (`ostiary.jose.proof`).
* `htm` is this request's method, `htu` its address without query and fragment, `iat` is recent. `exp` and `nbf` need
  not be there, and hold where they are.
* With a credential, `ath` is the SHA-256 of that credential; without one, `ath` is absent or is not looked at.
* `jti` is used once: the identity of a proof is its key and its `jti`.
* A nonce is a keyed digest of the period in which it was handed out: every node that has the secret key accepts what
  any other one handed out, in the period itself and in the one that follows, and nobody keeps a list.
"""

import hmac
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import unquote, urlsplit

from ostiary import jose, limits
from ostiary.credentials.access_token import PROOF_ALGORITHMS
from ostiary.credentials.opaque import encode
from ostiary.errors import InvalidProof, ProofNonceRequired
from ostiary.jose.claims import read_date

PROOF_TYPE = "dpop+jwt"
ALGORITHMS = PROOF_ALGORITHMS
"""What a proof may be signed with; told in the server's metadata as `dpop_signing_alg_values_supported`."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class PossessionProof:
    """A proof that holds for this request. `thumbprint` is the key's (RFC 7638); (`thumbprint`, `token_id`) names the
    proof, and need not be remembered after `expires_at` (Unix seconds): then it is too old for anybody."""

    thumbprint: str
    token_id: str
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the proof of one request has to say. `origins`: every name under which this server may be called, as
    `origin_of` writes them. `paths`: the request's path, decoded, in every way in which it may be told. `credential`:
    what it came with, "" where one is only being asked for. `nonces`: those that are accepted, empty if none is
    needed."""

    method: str
    origins: Collection[str]
    paths: Collection[str]
    credential: str = ""
    nonces: Collection[str] = ()


def check_proof(text: str, expected: Expected, *, now: float, leeway: float) -> PossessionProof:
    """Raises InvalidProof, or ProofNonceRequired if all but the nonce is right."""
    try:
        proof = jose.verify_proof(text, typ=PROOF_TYPE, algorithms=ALGORITHMS)
    except jose.TokenRejected as error:
        raise InvalidProof(private=error.code) from None
    claims = proof.claims
    token_id = _text(claims, "jti")
    if not 0 < len(token_id) <= limits.PROOF_ID_CHARS:
        raise InvalidProof(private="jti is empty or too long")
    if _text(claims, "htm") != expected.method:
        raise InvalidProof(private="made for another method")
    origin, path = address_of(_text(claims, "htu"))
    if origin not in expected.origins or path not in expected.paths:
        raise InvalidProof(private="made for another address")
    issued_at = claims.get("iat")
    if not isinstance(issued_at, int | float) or isinstance(issued_at, bool):
        raise InvalidProof(private="iat is not a number")
    if not now - limits.PROOF_SECONDS - leeway <= issued_at <= now + leeway:
        raise InvalidProof(private="too old, or from the future")
    _check_other_dates(claims, now, leeway)
    if expected.credential and not hmac.compare_digest(_text(claims, "ath"), hash_of(expected.credential)):
        raise InvalidProof(private="made for another credential")
    if expected.nonces and not _is_one_of(claims.get("nonce"), expected.nonces):
        raise ProofNonceRequired(private="no nonce, or an old one")
    return PossessionProof(
        thumbprint=proof.key.thumbprint(),
        token_id=token_id,
        expires_at=float(issued_at) + limits.PROOF_SECONDS + leeway,
    )


def _check_other_dates(claims: Any, now: float, leeway: float) -> None:
    """RFC 7519 sections 4.1.4 and 4.1.5."""
    try:
        expires_at, not_before = read_date(claims, "exp"), read_date(claims, "nbf")
    except jose.InvalidClaim:
        raise InvalidProof(private="exp or nbf is not a date") from None
    if (expires_at is not None and not now < expires_at) or (not_before is not None and now + leeway < not_before):
        raise InvalidProof(private="not valid now, by its own exp or nbf")


def hash_of(credential: str) -> str:
    """The `ath` claim (RFC 9449 section 4.1)."""
    return encode(sha256(credential.encode("ascii", "replace")).digest())


def nonce_of(key: bytes, now: float) -> str:
    """What is handed out at this instant."""
    return _nonce(key, int(now // limits.PROOF_NONCE_SECONDS))


def nonces_accepted(key: bytes, now: float) -> tuple[str, ...]:
    """Of this period and of the one before."""
    period = int(now // limits.PROOF_NONCE_SECONDS)
    return _nonce(key, period), _nonce(key, period - 1)


def _nonce(key: bytes, period: int) -> str:
    return encode(hmac.digest(key, b"dpop nonce %d" % period, "sha256")[:18])


def _is_one_of(nonce: object, accepted: Collection[str]) -> bool:
    return isinstance(nonce, str) and nonce.isascii() and any(hmac.compare_digest(nonce, known) for known in accepted)


def _text(claims: Any, name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value.isascii():
        raise InvalidProof(private=f"{name} is not a text")
    return value


def origin_of(url: str) -> str:
    """Scheme, host and port in one form (RFC 3986 section 6.2.2 and 6.2.3); "" if it is not an address of the web."""
    return address_of(url)[0]


def address_of(url: str) -> tuple[str, str]:
    """The origin and the decoded path, without query and fragment (RFC 9449 section 4.3)."""
    if len(url) > limits.URL_CHARS:
        return "", ""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "", ""
    scheme, host = parts.scheme.lower(), parts.hostname
    if scheme not in _DEFAULT_PORTS or not host or "@" in parts.netloc:
        return "", ""
    shown = f"[{host}]" if ":" in host else host
    suffix = "" if port is None or port == _DEFAULT_PORTS[scheme] else f":{port}"
    return f"{scheme}://{shown}{suffix}", unquote(parts.path or "/")
