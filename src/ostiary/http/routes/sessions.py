"""Logging in, logging out, and the list of devices."""

from starlette.responses import Response

from ostiary.domain.scope import read_scope
from ostiary.domain.session import EndReason, Kind, Transport
from ostiary.errors import InvalidRequest, InvalidToken, NotAuthenticated
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
from ostiary.http.leaving import CLEAR_SITE_DATA, refresh_cookie, replaced_session, session_to_leave, takes_cookies
from ostiary.http.problems import json_response
from ostiary.services.sign_in import LoginRequest


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


async def logout(call: Call) -> Response:
    """POST /v1/logout"""
    body: LogoutBody = call.body
    session_id = await session_to_leave(call, refresh_token=body.refresh_token, csrf_token=csrf_token_of(call.scope))
    ended = await call.services.sessions.log_out(session_id, call.client)
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
    clears = own and await takes_cookies(call, every=False)
    ended = await call.services.sessions.end(
        session_id,
        reason=EndReason.LOGOUT if own else EndReason.ENDED_BY_OWNER,
        actor=call.as_owner,
        client=call.client,
    )
    return json_response(
        ended_answer(await call.settled(ended)),
        cookies=call.services.cookies.clear() if clears else None,
    )


async def end_others(call: Call) -> Response:
    """POST /v1/sessions/end-others"""
    ended = await call.services.sessions.end_others(call.me, call.client)
    return json_response(ended_answer(await call.settled(ended)))


async def end_all(call: Call) -> Response:
    """POST /v1/sessions/end-all"""
    clears = await takes_cookies(call, every=True)
    ended = await call.services.sessions.end_all_own(call.me, call.client)
    return json_response(
        ended_answer(await call.settled(ended)),
        headers={"Clear-Site-Data": CLEAR_SITE_DATA} if clears else None,
        cookies=call.services.cookies.clear() if clears else None,
    )


async def csrf_token(call: Call) -> Response:
    """GET /v1/csrf; for the refresh cookie alone too: a page that was reloaded has nothing else, and needs the token to
    refresh. Another site cannot read the answer."""
    authenticator = call.services.authenticator
    if call.caller is not None:
        return json_response(CsrfAnswer(csrf_token=authenticator.csrf_token(call.caller.session_id)))
    if authenticator.presented(call.scope) is not None:
        raise InvalidToken
    text = refresh_cookie(call)
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
