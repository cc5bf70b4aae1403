"""A client: a registered service that may ask this server for tokens, or about them (RFC 6749 section 2).

`audiences` is what it serves: tokens meant for one of them it may introspect and exchange. `targets` is what it may ask
tokens for. `scopes` is what its own tokens (`client_credentials`) may say, and, if there are any, the most of a user's
that an exchange takes over. A client that is deleted, or that may do less than before, or that proves itself by
something else, raises its epoch: tokens that were issued to it under an older one are refused.
"""

from dataclasses import dataclass, field

from ostiary import limits
from ostiary.domain.scope import is_scope_token
from ostiary.errors import InvalidRequest

CLIENT_CREDENTIALS = "client_credentials"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - the name of a grant
GRANTS = (CLIENT_CREDENTIALS, TOKEN_EXCHANGE)
"""What a client may be registered for. A user's refresh token is issued to no client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client. It proves itself by a secret, of which only the digest is kept, or by a key of `jwks` (a JWK set as
    JSON text, public keys only), or by neither if both are None: then by nothing at all.

    `grants` are values of `grant_type`. `revision` is the store's.
    """

    id: str
    name: str
    secret_digest: bytes | None = field(default=None, repr=False)
    jwks: str | None = None
    grants: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    epoch: int = 0
    created_at: float = 0.0
    revision: int = 0


def may_less(before: Client, after: Client) -> bool:
    """Whether what was issued to it before must not count any more: a right was taken away, or whoever knew the old
    secret or key is to be shut out. A new name or a further right voids nothing."""
    return (
        before.secret_digest != after.secret_digest
        or before.jwks != after.jwks
        or not set(before.grants) <= set(after.grants)
        or not set(before.audiences) <= set(after.audiences)
        or not set(before.targets) <= set(after.targets)
        or not set(before.scopes) <= set(after.scopes)
    )


def check_name(name: str) -> str:
    """Raises InvalidRequest."""
    if not 0 < len(name.strip()) <= limits.CLIENT_NAME_CHARS or not name.isprintable():
        raise InvalidRequest(f"'name' is 1 to {limits.CLIENT_NAME_CHARS} printable characters.")
    return name.strip()


def check_grants(grants: tuple[str, ...]) -> tuple[str, ...]:
    """Raises InvalidRequest."""
    if not set(grants) <= set(GRANTS):
        raise InvalidRequest(f"'grants' are of {', '.join(GRANTS)}.")
    return tuple(dict.fromkeys(grants))


def check_services(member: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of services, as in `aud`. Raises InvalidRequest."""
    if len(names) > limits.CLIENT_NAMES:
        raise InvalidRequest(f"'{member}' are {limits.CLIENT_NAMES} at most.")
    if not all(map(is_service_name, names)):
        raise InvalidRequest(
            f"'{member}' are names of services, best their URLs: 1 to {limits.SERVICE_NAME_CHARS} characters without "
            "spaces."
        )
    return tuple(dict.fromkeys(names))


def is_service_name(text: str) -> bool:
    """Of a length that fits, printable, without spaces."""
    return 0 < len(text) <= limits.SERVICE_NAME_CHARS and text.isprintable() and " " not in text


def check_scopes(scopes: tuple[str, ...]) -> tuple[str, ...]:
    """Tokens of RFC 6749 section 3.3. Raises InvalidRequest."""
    if len(scopes) > limits.CLIENT_NAMES:
        raise InvalidRequest(f"'scopes' are {limits.CLIENT_NAMES} at most.")
    if not all(is_scope_token(scope) for scope in scopes):
        raise InvalidRequest(
            f"'scopes' are 1 to {limits.SCOPE_CHARS} printable ASCII characters without spaces, quotes and backslashes."
        )
    return tuple(sorted(set(scopes)))
