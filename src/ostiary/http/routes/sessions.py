"""Logging in, logging out, and the list of devices."""

from starlette.responses import Response

from ostiary.domain.scope import read_scope
from ostiary.domain.session import EndReason, Kind, Transport
from ostiary.errors import InvalidRequest, InvalidToken, NotAuthenticated, OstiaryError
from ostiary.http.answers.common import EndedAnswer, ended_answer
from ostiary.http.answers.credentials import LoginAnswer, login_answer
from ostiary.http.answers.sessions import CsrfAnswer, SessionsAnswer, session_view
from ostiary.http.authentication import csrf_token_of
from ostiary.http.bodies import (
    EmptyBody,
    LoginBody,
    LogoutBody,
)
from ostiary.http.call import Call
from ostiary.http.endpoints import Auth, Endpoint
from ostiary.http.problems import json_response
from ostiary.services.sign_in import LoginRequest
from ostiary.services.token_verification import Expired

CLEAR_SITE_DATA = '"cache", "cookies", "storage"'


async def login(call: Call) -> Response:
    """POST /v1/login"""
    call.services.authenticator.check_csrf(call.scope)
    key_thumbprint = call.services.proofs.asking(call.scope, call.now)
    body: LoginBody = call.body
    transport = Transport(body.transport) if body.transport else None
    audience = (body.audience,) if isinstance(body.audience, str) else tuple(body.audience or ())
    request = LoginRequest(
        username=body.username,
        password=body.password,
        kind=Kind(body.kind),
        transport=transport,
        remember=body.remember,
        audience=audience,
        scope=_scope(body.scope),
        replaces=await replaced_session(call),
        key_thumbprint=key_thumbprint,
    )
    issued = await call.services.sign_in.login(request, call.client)
    ended = await call.settled(call.services.context.ended(issued.ended)) if issued.ended else None
    return json_response(
        login_answer(issued, bound=None if ended is None else ended.bound, asked_scope=body.scope is not None),
        cookies=call.services.cookies.issue(issued, call.now),
    )


def _scope(text: str | None) -> tuple[str, ...] | None:
    """Raises InvalidRequest for what is no scope."""
    if text is None:
        return None
    words = read_scope(text)
    if words is None:
        raise InvalidRequest("'scope' is a list of words with one space between them.")
    return words


async def replaced_session(call: Call) -> str | None:
    """The session whose cookie the browser sent along and is about to lose."""
    credential = call.services.cookies.session_of(call.scope["headers"])
    if credential is None:
        return None
    try:
        return (await call.services.recognition.recognise(credential, call.now)).session_id
    except Expired as expired:
        found = await call.services.context.store.sessions.get(expired.token.session_id)
        return found.id if found is not None and found.version == expired.token.version else None
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
    refresh_cookie = _refresh_cookie(call)
    for token, from_cookie in ((refresh_token, False), (refresh_cookie, True)):
        if token:
            if from_cookie:
                authenticator.check_csrf(call.scope)
            session = await call.services.refresh.session_of(token, to_end=True)
            if session is not None:
                if from_cookie:
                    authenticator.check_csrf_token(session.id, csrf_token)
                return session.id
    raise (InvalidToken if presented or refresh_token or refresh_cookie else NotAuthenticated)


async def _session_of_access_token(call: Call, credential: str) -> str:
    """An expired one will do, if its session has not moved on. Raises InvalidToken, Unavailable."""
    authenticator = call.services.authenticator
    try:
        caller = await call.services.recognition.recognise(credential, call.now)
    except Expired as expired:
        token = expired.token
        authenticator.check_meant_for_us(token.audience, token.actors)
        session = await call.services.context.store.sessions.get(token.session_id)
        if session is None or session.version != token.version:
            raise
        return session.id
    authenticator.check_meant_for_us(caller.audience, caller.act)
    return caller.session_id


def _refresh_cookie(call: Call) -> str | None:
    return call.services.cookies.value(call.scope["headers"], call.services.cookies.refresh)


async def logout(call: Call) -> Response:
    """POST /v1/logout"""
    body: LogoutBody = call.body
    session_id = await session_to_leave(call, refresh_token=body.refresh_token, csrf_token=csrf_token_of(call.scope))
    session = await call.services.context.store.sessions.get(session_id)
    try:
        ended = await call.services.sessions.end(
            session_id,
            reason=EndReason.LOGOUT,
            actor=session.account_id if session else "unknown",
            client=call.client,
        )
    except OstiaryError as error:
        raise (InvalidToken(private="session over") if error.code == "not_found" else error) from None
    return json_response(
        ended_answer(await call.settled(ended)),
        headers={"Clear-Site-Data": CLEAR_SITE_DATA},
        cookies=call.services.cookies.clear(),
    )


async def list_sessions(call: Call) -> Response:
    """GET /v1/sessions"""
    sessions = await call.services.sessions.of_account(call.me.account_id)
    recognition = call.services.recognition
    return json_response(
        SessionsAnswer(
            sessions=[
                session_view(session, current_id=call.me.session_id, last_seen_at=recognition.known.last_seen(session))
                for session in sessions
            ],
            next=None,
        )
    )


async def end_session(call: Call) -> Response:
    """DELETE /v1/sessions/{id}"""
    session_id = call.path("id")
    own = session_id == call.me.session_id
    ended = await call.services.sessions.end(
        session_id,
        reason=EndReason.LOGOUT if own else EndReason.ENDED_BY_OWNER,
        actor=call.as_owner,
        client=call.client,
    )
    return json_response(
        ended_answer(await call.settled(ended)),
        cookies=call.services.cookies.clear() if own and call.from_cookie else None,
    )


async def end_others(call: Call) -> Response:
    """POST /v1/sessions/end-others"""
    ended = await call.services.sessions.end_others(call.me, call.client)
    return json_response(ended_answer(await call.settled(ended)))


async def end_all(call: Call) -> Response:
    """POST /v1/sessions/end-all"""
    ended = await call.services.sessions.end_all_own(call.me, call.client)
    return json_response(
        ended_answer(await call.settled(ended)),
        headers={"Clear-Site-Data": CLEAR_SITE_DATA} if call.from_cookie else None,
        cookies=call.services.cookies.clear() if call.from_cookie else None,
    )


async def csrf_token(call: Call) -> Response:
    """GET /v1/csrf; for the refresh cookie alone too: a page that was reloaded has nothing else, and needs the token to
    refresh. Another site cannot read the answer."""
    authenticator = call.services.authenticator
    if call.caller is not None:
        return json_response(CsrfAnswer(csrf_token=authenticator.csrf_token(call.caller.session_id)))
    if authenticator.presented(call.scope) is not None:
        raise InvalidToken
    text = _refresh_cookie(call)
    session = await call.services.refresh.session_of(text) if text else None
    issuer = await call.services.context.store.issuer()
    if session is None or not session.is_live(call.now, issuer.everything):
        raise NotAuthenticated
    return json_response(CsrfAnswer(csrf_token=authenticator.csrf_token(session.id)))


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/login",
        handler=login,
        summary="Log in",
        body=LoginBody,
        answers={200: LoginAnswer},
        ends=True,
        refusals=(400, 401, 403, 413, 415, 422, 429, 503),
    ),
    Endpoint(
        method="POST",
        path="/v1/logout",
        handler=logout,
        summary="Log out; also with an expired access token, or with the refresh token alone",
        body=LogoutBody,
        body_optional=True,
        answers={200: EndedAnswer},
        ends=True,
        refusals=(400, 401, 403, 413, 415, 422, 503),
    ),
    Endpoint(
        method="GET",
        path="/v1/sessions",
        handler=list_sessions,
        summary="The caller's live sessions",
        auth=Auth.CALLER,
        answers={200: SessionsAnswer},
    ),
    Endpoint(
        method="DELETE",
        path="/v1/sessions/{id}",
        handler=end_session,
        summary="End one session",
        auth=Auth.CALLER,
        body=EmptyBody,
        body_optional=True,
        answers={200: EndedAnswer},
        ends=True,
        refusals=(404,),
    ),
    Endpoint(
        method="POST",
        path="/v1/sessions/end-others",
        handler=end_others,
        summary="End every session but this one",
        auth=Auth.CALLER,
        body=EmptyBody,
        body_optional=True,
        answers={200: EndedAnswer},
        ends=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/sessions/end-all",
        handler=end_all,
        summary="End every session, this one too",
        auth=Auth.CALLER,
        body=EmptyBody,
        body_optional=True,
        answers={200: EndedAnswer},
        ends=True,
    ),
    Endpoint(
        method="GET",
        path="/v1/csrf",
        handler=csrf_token,
        summary="The session-bound token for X-CSRF-Token",
        auth=Auth.VISITOR,
        answers={200: CsrfAnswer},
        refusals=(400, 401, 403, 503),
    ),
)
