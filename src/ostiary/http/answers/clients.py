"""Registered services."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from ostiary.domain.client import Client
from ostiary.http.answers.common import Bound, Instant, instant
from ostiary.http.starred import Starred


class RegisteredClientView(Struct, frozen=True):
    """A registered service; never its secret. `token_endpoint_auth_method` says how it proves itself (RFC 7591)."""

    id: str
    name: str
    grants: list[str]
    audiences: list[str]
    targets: list[str]
    scopes: list[str]
    jwks: dict[str, Any] | None
    token_endpoint_auth_method: str
    created_at: Instant


class RegisteredClientAnswer(Struct, frozen=True):
    """One client."""

    client: RegisteredClientView


class RegisteredClientsAnswer(Struct, frozen=True):
    """A page of clients."""

    clients: list[RegisteredClientView]
    next: str | None


class NewClientAnswer(Starred, frozen=True):
    """A client and its secret, which is never shown again; null where it proves itself by its keys."""

    client: RegisteredClientView
    client_secret: str | None


class ReplacedSecretAnswer(Starred, frozen=True):
    """A client with a new secret. What was issued to it before is refused."""

    client: RegisteredClientView
    client_secret: str | None
    ended: Annotated[int, Meta(ge=0)]
    bound: Bound


class ChangedClientAnswer(Struct, frozen=True):
    """A client after a change; `ended` is 1 if what was issued to it before is refused."""

    client: RegisteredClientView
    ended: Annotated[int, Meta(ge=0)]
    bound: Bound


def client_view(client: Client) -> RegisteredClientView:
    """See `RegisteredClientView`."""
    return RegisteredClientView(
        id=client.id,
        name=client.name,
        grants=list(client.grants),
        audiences=list(client.audiences),
        targets=list(client.targets),
        scopes=list(client.scopes),
        jwks=msgspec.json.decode(client.jwks, type=dict[str, Any]) if client.jwks else None,
        token_endpoint_auth_method="private_key_jwt" if client.jwks else "client_secret_basic",
        created_at=instant(client.created_at),
    )
