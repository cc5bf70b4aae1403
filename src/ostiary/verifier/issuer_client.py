"""Who a verifier is to its issuer: a registered client, by its secret or by its own key."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Protocol
from urllib.parse import quote_plus

from ostiary.errors import Misconfigured
from ostiary.jose import Key, sign

_ASSERTION_SECONDS = 60
ASSERTION_TYP = "client-authentication+jwt"


class ClientProof(Protocol):
    """How a client proves who it is. `now` is Unix seconds."""

    @property
    def client_id(self) -> str: ...
    def header(self, issuer: str, now: float) -> str:
        """The value of `Authorization` of a request without a body."""
        ...

    def form(self, issuer: str, now: float) -> dict[str, str]:
        """What stands in a form beside the request's own fields; with `header` in use, nothing."""
        ...


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """HTTP Basic (RFC 6749 section 2.3.1)."""

    client_id: str
    secret: str = field(repr=False)

    def header(self, issuer: str, now: float) -> str:  # noqa: ARG002 - a secret is the same for everybody, always
        """See `ClientProof`."""
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret)}"
        return "Basic " + b64encode(pair.encode()).decode()

    def form(self, issuer: str, now: float) -> dict[str, str]:  # noqa: ARG002
        """See `ClientProof`."""
        return {}


@dataclass(frozen=True, slots=True)
class ClientKey:
    """`private_key_jwt` (RFC 7523): a new assertion for every request."""

    client_id: str
    key: Key = field(repr=False)

    def header(self, issuer: str, now: float) -> str:
        """See `ClientProof`."""
        return "Bearer " + self.assertion(issuer, now)

    def form(self, issuer: str, now: float) -> dict[str, str]:
        """See `ClientProof`."""
        return {
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": self.assertion(issuer, now),
        }

    def assertion(self, issuer: str, now: float) -> str:
        """A JWT that says who signed it, to this issuer, once."""
        claims = {"iss": self.client_id, "sub": self.client_id, "aud": issuer, "jti": token_urlsafe(16)}
        return sign({**claims, "iat": int(now), "exp": int(now) + _ASSERTION_SECONDS}, self.key, typ=ASSERTION_TYP)


def client_of(given: object) -> ClientProof:
    """A `ClientSecret` or `ClientKey`, or what says the same: (id, secret), "id:secret", or a mapping with `client_id`
    and `client_secret`, as the issuer shows it. Raises Misconfigured."""
    if isinstance(given, ClientSecret | ClientKey):
        return given
    pair: Sequence[object] = ()
    if isinstance(given, str):
        pair = given.split(":", 1)
    elif isinstance(given, Mapping):
        pair = (given.get("client_id"), given.get("client_secret"))
    elif isinstance(given, Sequence):
        pair = given
    match pair:
        case [str() as client_id, str() as secret] if client_id and secret:
            return ClientSecret(client_id, secret)
        case [str() as client_id, Key() as key] if client_id and key.private and not key.symmetric:
            return ClientKey(client_id, key)
    raise Misconfigured("client is (id, secret), or (id, private key).")
