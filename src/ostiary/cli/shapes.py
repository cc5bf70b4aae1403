"""Records as JSON members: the very types of the HTTP API (contract section 5)."""

from typing import Any

import msgspec

from ostiary.domain.account import Account
from ostiary.domain.client import Client
from ostiary.domain.session import Session
from ostiary.domain.signing_key import SigningKey
from ostiary.services.key_use import KeyUse


def account_shape(account: Account) -> dict[str, Any]:
    """`account`."""
    from ostiary.http.answers.accounts import account_view

    return _members(account_view(account))


def session_shape(session: Session) -> dict[str, Any]:
    """`session`, with the account that it belongs to; none is the caller's own here."""
    from ostiary.http.answers.sessions import session_view

    return {"account_id": session.account_id, **_members(session_view(session, with_account=True))}


def client_shape(client: Client) -> dict[str, Any]:
    """A registered service, never its secret."""
    from ostiary.http.answers.clients import client_view

    return _members(client_view(client))


def key_shape(key: SigningKey) -> dict[str, Any]:
    """A signing key, never its private half."""
    from ostiary.http.answers.keys import key_view

    return _members(key_view(key))


def used_key_shape(key: SigningKey, use: KeyUse) -> dict[str, Any]:
    """A signing key and what depends on it."""
    from ostiary.http.answers.keys import used_key_view

    return _members(used_key_view(key, use))


def _members(view: msgspec.Struct) -> dict[str, Any]:
    members: dict[str, Any] = msgspec.to_builtins(view)
    return {field: members.get(field) for field in view.__struct_fields__}
