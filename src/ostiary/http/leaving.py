"""Which session a request leaves: by logging out, or by a login that takes its cookie's place."""

from ostiary.errors import InvalidToken, NotAuthenticated, OstiaryError
from ostiary.http.call import Call
from ostiary.services.token_verification import Expired

CLEAR_SITE_DATA = '"cache", "cookies", "storage"'
"""What the browser is asked to forget when a login of it is over."""


async def replaced_session(call: Call) -> str | None:
    """The session whose cookie the browser sent along and is about to lose."""
    credential = call.services.cookies.session_of(call.scope["headers"])
    if credential is None:
        return None
    try:
        return (await call.services.recognition.recognise(credential, call.now)).session_id
    except Expired as expired:
        session = await call.services.sessions.behind(expired.token)
        return None if session is None else session.id
    except OstiaryError:
        return None


async def session_to_leave(call: Call, *, refresh_token: str | None, csrf_token: str) -> str:
    """Whose logout this is: an access token, expired or not, the refresh token in the body, or the one in the cookie.
    `csrf_token` is the session-bound one, wherever it came. Raises InvalidToken, NotAuthenticated, CsrfRejected."""
    authenticator = call.services.authenticator
    presented = authenticator.presented(call.scope)
    if presented is not None:
        if presented.from_cookie:
            authenticator.check_csrf(call.scope)
        try:
            session_id = await _session_of_access_token(call, presented.credential)
        except InvalidToken:
            pass
        else:
            if presented.from_cookie:
                authenticator.check_csrf_token(session_id, csrf_token)
            return session_id
    in_cookie = refresh_cookie(call)
    for token, from_cookie in ((refresh_token, False), (in_cookie, True)):
        if token:
            if from_cookie:
                authenticator.check_csrf(call.scope)
            session = await call.services.refresh.session_of(token, to_end=True)
            if session is not None:
                if from_cookie:
                    authenticator.check_csrf_token(session.id, csrf_token)
                return session.id
    raise (InvalidToken if presented or refresh_token or in_cookie else NotAuthenticated)


async def _session_of_access_token(call: Call, credential: str) -> str:
    """An expired one will do, if its session has not moved on. Raises InvalidToken, Unavailable."""
    authenticator = call.services.authenticator
    try:
        caller = await call.services.recognition.recognise(credential, call.now)
    except Expired as expired:
        token = expired.token
        authenticator.check_meant_for_us(token.audience, token.actors)
        session = await call.services.sessions.behind(token)
        if session is None:
            raise
        return session.id
    authenticator.check_meant_for_us(caller.audience, caller.act)
    return caller.session_id


async def takes_cookies(call: Call, *, every: bool) -> bool:
    """Whether what logs in by a cookie of this browser is what the caller is about to end: its own session, or `every`
    one of its account. With transport `split` only the refresh token is in one. To be asked before it is ended."""
    if call.from_cookie:
        return True
    token = refresh_cookie(call)
    session = await call.services.refresh.session_of(token, to_end=True) if token else None
    if session is None:
        return False
    return session.account_id == call.me.account_id if every else session.id == call.me.session_id


def refresh_cookie(call: Call) -> str | None:
    """The refresh token that the browser sent along."""
    return call.services.cookies.value(call.scope["headers"], call.services.cookies.refresh)
