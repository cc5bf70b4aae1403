"""New credentials: of a login, a refresh, an exchange, for a download."""

from msgspec import UNSET, UnsetType

from ostiary.domain.session import Session
from ostiary.http.answers.accounts import AccountView, account_view
from ostiary.http.answers.common import Bound, Lifetime
from ostiary.http.answers.sessions import SessionView, session_view
from ostiary.http.starred import Starred
from ostiary.services.issuing import Issued


class LoginAnswer(Starred, frozen=True, omit_defaults=True):
    """New credentials. What travels in a cookie is not repeated in the body."""

    kind: str
    account: AccountView
    session: SessionView
    access_token: str | UnsetType = UNSET
    token_type: str | UnsetType = UNSET
    expires_in: Lifetime | UnsetType = UNSET
    refresh_token: str | UnsetType = UNSET
    refresh_expires_in: Lifetime | UnsetType = UNSET
    scope: str | UnsetType = UNSET
    ended: int | UnsetType = UNSET
    bound: Bound | UnsetType = UNSET


class TokenAnswer(Starred, frozen=True, omit_defaults=True):
    """RFC 6749 section 5.1, RFC 8693 section 2.2.1. What travels in a cookie is not repeated in the body."""

    token_type: str
    expires_in: Lifetime
    access_token: str | UnsetType = UNSET
    refresh_token: str | UnsetType = UNSET
    refresh_expires_in: Lifetime | UnsetType = UNSET
    scope: str | UnsetType = UNSET
    issued_token_type: str | UnsetType = UNSET


class OneTimeAnswer(Starred, frozen=True, omit_defaults=True):
    """A one-time token; `url` where the audience's name is the address of a download server."""

    token: str
    expires_in: Lifetime
    url: str | UnsetType = UNSET


def token_type_of(session: Session) -> str:
    """How its access tokens are to be presented (RFC 6749 section 7.1, RFC 9449 section 5)."""
    return "DPoP" if session.key_thumbprint else "Bearer"


def login_answer(issued: Issued, *, bound: float | None = None, asked_scope: bool = False) -> LoginAnswer:
    """What a login, a password change (with `bound`) and a re-authentication answer."""
    session = issued.session
    in_cookie = session.transport.value == "cookie"
    refresh_in_body = session.transport.value == "bearer" and issued.refresh_token is not None
    tells_ended = bound is not None or issued.ended > 0
    return LoginAnswer(
        kind=session.kind.value,
        account=account_view(issued.account),
        session=session_view(session, current_id=session.id),
        access_token=UNSET if in_cookie else issued.access_token,
        token_type=UNSET if in_cookie else token_type_of(session),
        expires_in=UNSET if in_cookie else issued.expires_in,
        refresh_token=issued.refresh_token if refresh_in_body and issued.refresh_token else UNSET,
        refresh_expires_in=issued.refresh_expires_in
        if refresh_in_body and issued.refresh_expires_in is not None
        else UNSET,
        scope=" ".join(issued.scope) if asked_scope and not in_cookie else UNSET,
        ended=issued.ended if tells_ended else UNSET,
        bound=(bound or 0.0) if tells_ended else UNSET,
    )
