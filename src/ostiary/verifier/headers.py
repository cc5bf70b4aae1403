"""The one token of a request (RFC 6750 section 2.1, RFC 9449 section 7.1), out of its headers and nothing else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ostiary.verifier.errors import CredentialRefused, NoCredential, Unreadable

Text = str | bytes
Headers = Mapping[str, str] | Iterable[tuple[Text, Text]]
"""As frameworks hand them over: a mapping, or pairs of text or bytes. Names in any case."""


@dataclass(frozen=True, slots=True)
class Presented:
    """One token as it was sent. `proofs` are the headers `DPoP` that came along under that scheme, None for a bearer
    token."""

    token: str = field(repr=False)
    proofs: tuple[str, ...] | None = field(default=None, repr=False)


def presented(headers: Headers) -> Presented:
    """Raises NoCredential, Unreadable if there is more than one."""
    items: Any = getattr(headers, "items", None)  # also of mappings that are not registered as such
    pairs: Any = headers if items is None else items()
    found: Text | None = None
    proofs: list[Text] = []
    for name, value in pairs:
        # the length first: it spares most headers the rest
        length = len(name)
        if length == 13 and name.lower() == (b"authorization" if isinstance(name, bytes) else "authorization"):
            if found is not None:
                raise Unreadable("The Authorization header was sent twice.")
            found = value
        elif length == 4 and name.lower() in (b"dpop", "dpop"):
            proofs.append(value)
    if found is None:
        raise NoCredential
    scheme, token = token_in(_text(found))
    if scheme == "bearer":
        return Presented(token)
    return Presented(token, tuple(_text(proof).strip(" \t") for proof in proofs))


def bearer_token(headers: Headers) -> str:
    """Where only a bearer token will do. Raises NoCredential, Unreadable, CredentialRefused for the DPoP scheme."""
    sent = presented(headers)
    if sent.proofs is not None:
        raise CredentialRefused(private="the DPoP scheme, where no proof is checked")
    return sent.token


def token_in(authorization: str) -> tuple[str, str]:
    """The scheme in lower case and the token of one `Authorization` value. Raises NoCredential, Unreadable."""
    scheme, _, token = authorization.strip(" \t").partition(" ")
    scheme = scheme.lower()
    token = token.strip(" \t")
    if scheme not in ("bearer", "dpop") or not token:
        raise NoCredential
    if "," in token or " " in token:  # two headers that something in front of us has joined
        raise Unreadable("Send one credential.")
    return scheme, token


def _text(value: Text) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
