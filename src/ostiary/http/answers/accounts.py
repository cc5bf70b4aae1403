"""Accounts, and how strong a password is."""

from typing import Annotated

from msgspec import Meta, Struct

from ostiary.domain.account import Account
from ostiary.http.answers.common import Bound, Instant, instant
from ostiary.http.answers.problems import ReasonView


class AccountView(Struct, frozen=True):
    """An account, as anyone who may see it sees it."""

    id: str
    username: str
    display_name: str | None
    email: str | None
    roles: list[str]
    disabled: bool
    created_at: Instant


class AccountAnswer(Struct, frozen=True):
    """One account."""

    account: AccountView


class AccountsAnswer(Struct, frozen=True):
    """A page of accounts."""

    accounts: list[AccountView]
    next: str | None


class ChangedAccountAnswer(Struct, frozen=True):
    """An account after a change, and what the change ended."""

    account: AccountView
    ended: Annotated[int, Meta(ge=0)]
    bound: Bound


class PasswordCheckAnswer(Struct, frozen=True):
    """Whether a new password would be taken, and how strong it is: 0 (trivial) to 4 (strong)."""

    acceptable: bool
    strength: Annotated[int, Meta(ge=0, le=4)]
    label: str
    reasons: list[ReasonView]


def account_view(account: Account) -> AccountView:
    """See `AccountView`."""
    return AccountView(
        id=account.id,
        username=account.username,
        display_name=account.display_name,
        email=account.email,
        roles=list(account.roles),
        disabled=account.disabled,
        created_at=instant(account.created_at),
    )
