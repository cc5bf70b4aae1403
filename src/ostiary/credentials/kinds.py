"""The table of kinds: how each is recognised and what it says. A new kind is a new row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ostiary.credentials import access_token
from ostiary.credentials.access_token import AccessToken, Grant
from ostiary.domain.session import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKind:
    """A kind that is a JWT: its header's `typ`, its payload, and how to read the payload back."""

    kind: Kind
    typ: str
    claims: Callable[[Grant], dict[str, Any]]
    read: Callable[[Mapping[str, Any]], AccessToken]
    hidden: bool = False
    """Whether it says what others should not read, so that it can be encrypted."""


TOKEN_KINDS: Mapping[Kind, TokenKind] = {
    row.kind: row
    for row in (
        TokenKind(
            kind=Kind.STATEFUL,
            typ=access_token.STATEFUL_TYPE,
            claims=access_token.stateful_claims,
            read=access_token.read_stateful,
        ),
        TokenKind(
            kind=Kind.STATELESS,
            typ=access_token.STATELESS_TYPE,
            claims=access_token.stateless_claims,
            read=access_token.read_stateless,
            hidden=True,
        ),
    )
}

KIND_OF_TYPE: Mapping[str, TokenKind] = {row.typ: row for row in TOKEN_KINDS.values()}
"""By normalised `typ`: lower case, without `application/` (RFC 7515 section 4.1.9)."""
