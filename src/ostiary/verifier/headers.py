"""The one bearer token of a request (RFC 6750 section 2.1), out of its headers and out of nothing else."""

from collections.abc import Iterable, Mapping
from typing import Any

from ostiary.verifier.errors import CredentialRefused, NoCredential, Unreadable

Text = str | bytes
Headers = Mapping[str, str] | Iterable[tuple[Text, Text]]
"""As frameworks hand them over: a mapping, or pairs of text or bytes. Names in any case."""


def bearer_token(headers: Headers) -> str:
    """Raises NoCredential, Unreadable if there is more than one, CredentialRefused for the DPoP scheme."""
    items: Any = getattr(headers, "items", None)  # also of mappings that are not registered as such
    pairs: Any = headers if items is None else items()
    found: Text | None = None
    for name, value in pairs:
        # the length first: it spares most headers the rest
        if len(name) == 13 and name.lower() == (b"authorization" if isinstance(name, bytes) else "authorization"):
            if found is not None:
                raise Unreadable("The Authorization header was sent twice.")
            found = value
    if found is None:
        raise NoCredential
    return token_in(found if isinstance(found, str) else found.decode("latin-1"))


def token_in(authorization: str) -> str:
    """The token of one `Authorization` value. Raises as above."""
    scheme, _, token = authorization.strip(" \t").partition(" ")
    scheme = scheme.lower()
    token = token.strip(" \t")
    if scheme == "bearer" and token:
        if "," in token or " " in token:  # two headers that something in front of us has joined
            raise Unreadable("Send one credential.")
        return token
    if scheme == "dpop" and token:
        raise CredentialRefused(private="the DPoP scheme is not supported: no proof would be checked")
    raise NoCredential
