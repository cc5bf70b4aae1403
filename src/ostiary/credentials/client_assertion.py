"""A client's assertion of who it is: a JWT that it signed itself (`private_key_jwt`, RFC 7523 section 3)."""

from collections.abc import Collection
from dataclasses import dataclass

from ostiary import jose, limits
from ostiary.errors import InvalidClient
from ostiary.jose.claims import read_date
from ostiary.jose.encoding import decode_object

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_TYPES = frozenset((None, "jwt", "client-authentication+jwt"))
"""What the header's `typ` may be: nothing, or what cannot be taken for another kind of token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """A genuine assertion. It counts once: `token_id` has to be remembered until `expires_at` (Unix seconds)."""

    client_id: str
    token_id: str
    expires_at: float


def claimed_client(text: str) -> str:
    """Which client an assertion says that it is of. Nothing is decided by it but whose keys to check it with. Raises
    InvalidClient."""
    try:
        subject = jose.decode_unverified(text).claims.get("sub")
    except jose.JoseError as error:
        raise InvalidClient(private=f"assertion: {error.code}") from None
    if not isinstance(subject, str):
        raise InvalidClient(private="assertion: sub is not a string")
    return subject


def read_assertion(
    text: str, client_id: str, keys: jose.KeySet, *, audience: Collection[str], now: float, leeway: float
) -> Assertion:
    """The assertion, if one of the client's keys signed it and it is meant for this server: `audience` are the names of
    it that count, and everyone that the assertion names must be one. Raises InvalidClient."""
    try:
        verified = _verified(text, keys)
        claims = decode_object(verified.payload)
        expires_at = read_date(claims, "exp")
        not_before = read_date(claims, "nbf")
        issued_at = read_date(claims, "iat")
    except jose.JoseError as error:
        raise InvalidClient(private=f"assertion: {error.code}") from None
    except ValueError:
        raise InvalidClient(private="assertion: the payload is not strict JSON") from None
    token_id = claims.get("jti")
    named = claims.get("aud")
    named = named if isinstance(named, list) else [named]
    if verified.header.type not in _TYPES:
        raise InvalidClient(private="assertion: of another type")
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise InvalidClient(private="assertion: iss and sub are not the client")
    if not named or not all(isinstance(name, str) and name in audience for name in named):
        raise InvalidClient(private="assertion: aud is not this server alone")
    if not isinstance(token_id, str) or not 0 < len(token_id) <= limits.JTI_CHARS:
        raise InvalidClient(private="assertion: no jti, or one that is too long")
    if expires_at is None or not now < expires_at <= now + limits.ASSERTION_SECONDS:
        raise InvalidClient(private="assertion: no exp, or expired, or valid for too long")
    if any(moment is not None and moment > now + leeway for moment in (not_before, issued_at)):
        raise InvalidClient(private="assertion: not valid yet")
    return Assertion(client_id=client_id, token_id=token_id, expires_at=expires_at)


def _verified(text: str, keys: jose.KeySet) -> jose.Verified:
    """By `kid`; without one, by the only key of its algorithm."""
    header = jose.decode_unverified(text).header
    if "kid" in header:
        return jose.verify_signature(text, keys)
    fitting = [key for key in keys if key.alg == header.get("alg")]
    if len(fitting) != 1:
        raise jose.UnknownKey(None)
    return jose.verify_signature(text, fitting[0])
