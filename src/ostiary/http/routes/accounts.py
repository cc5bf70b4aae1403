"""Signing up, and what owners do with their own account."""

from starlette.responses import Response

from ostiary import limits
from ostiary.domain.password_weight import strength
from ostiary.http.answers.accounts import AccountAnswer, PasswordCheckAnswer, account_view
from ostiary.http.answers.common import EndedAnswer, ended_answer, instant
from ostiary.http.answers.credentials import LoginAnswer, login_answer
from ostiary.http.answers.events import ActivityAnswer, ExportAnswer, activity_view
from ostiary.http.answers.problems import ReasonView
from ostiary.http.answers.sessions import MeAnswer, session_view
from ostiary.http.bodies import (
    PasswordBody,
    PasswordCheckBody,
    ProfileBody,
    ProofBody,
    SignUpBody,
)
from ostiary.http.call import Call
from ostiary.http.endpoints import CURSOR, LIMIT, Auth, Endpoint
from ostiary.http.leaving import takes_cookies
from ostiary.http.pages.language import Translator
from ostiary.http.pages.wording import reason_text
from ostiary.http.problems import json_response
from ostiary.services.accounts import KEEP, AccountPatch

_EXPORTED_EVENTS = 10_000  # of one export; more than the trail of 90 days holds of any person


async def sign_up(call: Call) -> Response:
    """POST /v1/accounts"""
    call.services.authenticator.check_csrf(call.scope)
    body: SignUpBody = call.body
    account = await call.services.accounts.register(
        username=body.username,
        password=body.password,
        email=body.email,
        display_name=body.display_name,
        client=call.client,
    )
    return json_response(AccountAnswer(account=account_view(account)), status=201)


async def me(call: Call) -> Response:
    """GET /v1/me"""
    account, session = await call.services.sessions.current(call.me)
    return json_response(
        MeAnswer(
            account=account_view(account),
            session=session_view(
                session, current_id=session.id, last_seen_at=call.services.recognition.known.last_seen(session)
            ),
            kind=call.me.kind.value,
            expires_at=instant(call.me.expires_at),
        )
    )


async def change_me(call: Call) -> Response:
    """PATCH /v1/me"""
    body: ProfileBody = call.body
    patch = AccountPatch(
        display_name=body.display_name if isinstance(body.display_name, str | None) else KEEP,
        email=body.email if isinstance(body.email, str | None) else KEEP,
    )
    account, _ = await call.services.accounts.change(call.me.account_id, patch, actor=call.as_owner, client=call.client)
    return json_response(AccountAnswer(account=account_view(account)))


async def delete_me(call: Call) -> Response:
    """DELETE /v1/me"""
    body: ProofBody = call.body
    clears = await takes_cookies(call, every=True)
    ended = await call.settled(await call.services.accounts.delete_own(call.me, body.password, call.client))
    return json_response(ended_answer(ended), cookies=call.services.cookies.clear() if clears else None)


async def change_password(call: Call) -> Response:
    """POST /v1/password"""
    body: PasswordBody = call.body
    issued = await call.services.password_changes.change(call.me, body.current_password, body.new_password, call.client)
    ended = await call.settled(call.services.context.ended(issued.ended))
    return json_response(login_answer(issued, bound=ended.bound), cookies=call.services.cookies.issue(issued, call.now))


async def reauthenticate(call: Call) -> Response:
    """POST /v1/reauthenticate"""
    body: ProofBody = call.body
    issued = await call.services.sessions.reauthenticate(call.me, body.password, call.client)
    await call.settled(call.services.context.ended(1))  # the credentials that it had are dead
    return json_response(login_answer(issued), cookies=call.services.cookies.issue(issued, call.now))


async def check_password(call: Call) -> Response:
    """POST /v1/password-check"""
    body: PasswordCheckBody = call.body
    t = Translator(body.language)
    passwords = call.services.passwords
    reasons = passwords.check(body.password, username=body.username, email=body.email, client=call.client)
    measured = strength(body.password) if len(body.password) <= limits.PASSWORD_CHARS else 0
    level = min(measured, 1) if reasons else max(measured, 1)
    minimum = call.services.config.password_min_length
    return json_response(
        PasswordCheckAnswer(
            acceptable=not reasons,
            strength=level,
            label=t(f"strength.{level}"),
            reasons=[ReasonView(code=one.code, message=reason_text(t, one.code, minimum)) for one in reasons],
        )
    )


async def activity(call: Call) -> Response:
    """GET /v1/me/activity"""
    events, following = await call.services.audit.page(
        account_id=call.me.account_id, event="", session_id="", before=call.query("cursor"), limit=call.limit()
    )
    return json_response(ActivityAnswer(events=[activity_view(event) for event in events], next=following))


async def exported(call: Call) -> Response:
    """GET /v1/me/export"""
    services = call.services
    account, session = await services.sessions.current(call.me)
    events, following = await services.audit.page(
        account_id=account.id, event="", session_id="", before="", limit=_EXPORTED_EVENTS
    )
    answer = ExportAnswer(
        exported_at=instant(call.now),
        account=account_view(account),
        password_changed_at=instant(account.password_changed_at),
        sessions=[
            session_view(one, current_id=session.id, last_seen_at=services.recognition.known.last_seen(one))
            for one in await services.sessions.of_account(account.id)
        ],
        activity=[activity_view(event) for event in events],
        complete=following is None,
    )
    return json_response(answer, headers={"Content-Disposition": 'attachment; filename="ostiary-account.json"'})


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/accounts",
        handler=sign_up,
        summary="Sign up",
        body=SignUpBody,
        answers={201: AccountAnswer},
        refusals=(400, 403, 409, 413, 415, 422, 429, 503),
        tag="account",
    ),
    Endpoint(
        method="GET",
        path="/v1/me",
        handler=me,
        summary="Who is calling",
        auth=Auth.CALLER,
        answers={200: MeAnswer},
        tag="account",
    ),
    Endpoint(
        method="PATCH",
        path="/v1/me",
        handler=change_me,
        summary="Change the own profile",
        auth=Auth.CALLER,
        body=ProfileBody,
        answers={200: AccountAnswer},
        tag="account",
    ),
    Endpoint(
        method="DELETE",
        path="/v1/me",
        handler=delete_me,
        summary="Delete the own account",
        auth=Auth.CALLER,
        body=ProofBody,
        answers={200: EndedAnswer},
        ends=True,
        refusals=(409, 429),
        tag="account",
    ),
    Endpoint(
        method="POST",
        path="/v1/password",
        handler=change_password,
        ends=True,
        summary="Change the password; every other session ends",
        auth=Auth.CALLER,
        body=PasswordBody,
        answers={200: LoginAnswer},
        refusals=(429,),
        tag="account",
    ),
    Endpoint(
        method="POST",
        path="/v1/reauthenticate",
        handler=reauthenticate,
        ends=True,
        summary="Prove the password again; the session goes on under new credentials",
        auth=Auth.CALLER,
        body=ProofBody,
        answers={200: LoginAnswer},
        refusals=(429,),
        proves_password=True,
        tag="account",
    ),
    Endpoint(
        method="GET",
        path="/v1/me/activity",
        handler=activity,
        summary="What happened to the caller's account, the newest first",
        auth=Auth.CALLER,
        query=(
            CURSOR,
            LIMIT,
        ),
        answers={200: ActivityAnswer},
        refusals=(422,),
        tag="account",
    ),
    Endpoint(
        method="GET",
        path="/v1/me/export",
        handler=exported,
        summary="Everything that is kept about the caller, to take along",
        auth=Auth.FRESH_CALLER,
        answers={200: ExportAnswer},
        tag="account",
    ),
    Endpoint(
        method="POST",
        path="/v1/password-check",
        handler=check_password,
        summary="Whether a new password would be taken, and how strong it is; nothing is kept",
        body=PasswordCheckBody,
        answers={200: PasswordCheckAnswer},
        refusals=(400, 413, 415, 422, 429),
        tag="account",
    ),
)
