"""The endpoints that standard clients know: refresh, exchange, services' own tokens, revocation, introspection."""

from msgspec import UNSET, UnsetType
from starlette.responses import Response

from ostiary.domain.client import CLIENT_CREDENTIALS, TOKEN_EXCHANGE
from ostiary.domain.session import EndReason, Transport
from ostiary.errors import InvalidClient, InvalidToken, NotFound, UnauthorizedClient
from ostiary.http.answers.credentials import TokenAnswer, token_type_of
from ostiary.http.call import Call
from ostiary.http.client_credentials import authenticated_client, client_if_any
from ostiary.http.endpoints import Dialect, Endpoint
from ostiary.http.problems import OAuthError, json_response
from ostiary.services.exchange import OWN_SESSION, ServiceToken
from ostiary.services.introspection import RESPONSE_TYPE
from ostiary.services.known_clients import KnownClient
from ostiary.services.token_verification import Expired

GRANTS = ("refresh_token", TOKEN_EXCHANGE, CLIENT_CREDENTIALS)
ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105


async def token(call: Call) -> Response:
    """POST /oauth/token"""
    client = await client_if_any(call)
    grant_type = call.form.get("grant_type", "")
    if not grant_type:
        raise OAuthError("invalid_request", "'grant_type' is missing.")
    if grant_type not in GRANTS:
        raise OAuthError("unsupported_grant_type", f"Offered are {', '.join(GRANTS)}.")
    if grant_type == "refresh_token":
        if client is not None:
            raise UnauthorizedClient("Refresh tokens are issued to no client: send none.")
        return await _refresh(call)
    if client is None:
        raise InvalidClient("Authenticate as a client: HTTP Basic, or client_assertion.", private="no credentials")
    return await _exchange(call, client) if grant_type == TOKEN_EXCHANGE else _client_credentials(call, client)


async def _exchange(call: Call, client: KnownClient) -> Response:
    """RFC 8693 section 2.1."""
    form = call.form
    subject_token, subject_token_type = form.get("subject_token"), form.get("subject_token_type")
    if not subject_token or subject_token_type != ACCESS_TOKEN_TYPE:
        raise OAuthError("invalid_request", f"Send 'subject_token', and 'subject_token_type' {ACCESS_TOKEN_TYPE}.")
    if form.get("requested_token_type", "") not in ("", ACCESS_TOKEN_TYPE):
        raise OAuthError("invalid_request", f"'requested_token_type' is {ACCESS_TOKEN_TYPE} or left out.")
    if form.get("actor_token") or form.get("actor_token_type"):
        raise OAuthError("invalid_request", "The client that asks is the actor: send no 'actor_token'.")
    issued = await call.services.exchange.exchange(
        client,
        subject_token,
        asked=_asked_services(call),
        scope=form.get("scope"),
        now=call.now,
        thumbprint=call.services.proofs.asking(call.scope, call.now),
    )
    return _service_token(issued, issued_token_type=ACCESS_TOKEN_TYPE)


def _client_credentials(call: Call, client: KnownClient) -> Response:
    """RFC 6749 section 4.4."""
    issued = call.services.exchange.client_credentials(
        client,
        asked=_asked_services(call),
        scope=call.form.get("scope"),
        now=call.now,
        thumbprint=call.services.proofs.asking(call.scope, call.now),
    )
    return _service_token(issued)


def _asked_services(call: Call) -> set[str]:
    """By name (`audience`) or by address (`resource`, RFC 8707 section 2): one and the same here."""
    return {call.form[name] for name in ("audience", "resource") if call.form.get(name)}


def _service_token(issued: ServiceToken, *, issued_token_type: str | UnsetType = UNSET) -> Response:
    answer = TokenAnswer(
        token_type="DPoP" if issued.bound else "Bearer",
        expires_in=issued.expires_in,
        access_token=issued.access_token,
        issued_token_type=issued_token_type,
        scope=" ".join(issued.scope) if issued.scope else UNSET,  # an empty scope is none (RFC 6749 section 3.3)
    )
    return json_response(answer, headers={"Pragma": "no-cache"})


async def _refresh(call: Call) -> Response:
    """RFC 6749 section 6."""
    text = call.form.get("refresh_token") or None  # sent without a value is not sent (RFC 6749 section 3.2)
    from_cookie = text is None
    if text is None:
        cookies = call.services.cookies
        text = cookies.value(call.scope["headers"], cookies.refresh)
        if text is None:
            raise OAuthError("invalid_request", "'refresh_token' is missing.")
        call.services.authenticator.check_refresh_cookie(call.scope, text)
    scope = call.form.get("scope")
    narrowed = await call.services.refresh.narrowed_scope(text, scope) if scope else None
    proof = call.services.proofs.renewing(call.scope, call.now)
    issued = await call.services.refresh.refresh(
        text,
        call.client,
        key_thumbprint=proof.thumbprint if proof else None,
        scope=narrowed,
        spends=proof.spent if proof else None,
    )
    in_cookie = from_cookie and issued.session.transport is Transport.COOKIE
    # a client of transport `bearer` that keeps its token in a cookie of its own making gets no new cookie
    rotated_in_cookie = from_cookie and issued.session.transport is not Transport.BEARER
    answer = TokenAnswer(
        token_type=token_type_of(issued.session),
        expires_in=issued.expires_in,
        access_token=UNSET if in_cookie else issued.access_token,
        refresh_token=UNSET if rotated_in_cookie or issued.refresh_token is None else issued.refresh_token,
        refresh_expires_in=issued.refresh_expires_in if issued.refresh_expires_in is not None else UNSET,
        scope=" ".join(issued.scope),
    )
    return json_response(
        answer,
        headers={"Pragma": "no-cache"},
        cookies=call.services.cookies.issue(issued, call.now) if from_cookie else None,
    )


async def revoke(call: Call) -> Response:
    """POST /oauth/revoke (RFC 7009): whoever holds a token may end its session, whatever it is; always 200."""
    await client_if_any(call)  # holding the token is enough; but whoever says to be a client must be one
    text = call.form.get("token")
    if not text:
        raise OAuthError("invalid_request", "'token' is missing.")
    session_id = await _session_behind(call, text)
    if session_id is not None:
        try:
            ended = await call.services.sessions.end(
                session_id, reason=EndReason.REVOKED, actor="holder", client=call.client
            )
            await call.settled(ended)
        except NotFound:
            pass  # it is over already
    return Response(status_code=200, headers={"Cache-Control": "no-store"})


async def _session_behind(call: Call, text: str) -> str | None:
    """The session to end; None if there is none to be ended any more."""
    session = await call.services.refresh.session_of(text, to_end=True)
    if session is not None:
        return session.id
    try:
        caller = await call.services.recognition.recognise_for_anybody(text, call.now)
    except Expired as expired:
        session = await call.services.sessions.behind(expired.token)
        return None if session is None else session.id
    except InvalidToken:
        return None
    if caller.session_id.startswith(OWN_SESSION):
        await call.services.exchange.revoke_own(caller, call.now)
        return None
    return caller.session_id


async def introspect(call: Call) -> Response:
    """POST /oauth/introspect (RFC 7662), as a JWT if the client asks for one (RFC 9701)."""
    client = await authenticated_client(call)
    text = call.form.get("token")
    if not text:
        raise OAuthError("invalid_request", "'token' is missing.")
    introspection = call.services.introspection
    members = await introspection.introspect(client, text, call.now)
    if _wants(call, f"application/{RESPONSE_TYPE}"):
        signed = introspection.signed(client, members, call.now)
        if signed is not None:
            headers = {"Cache-Control": "no-store"}
            return Response(signed, headers=headers, media_type=f"application/{RESPONSE_TYPE}")
    return json_response(members)


def _wants(call: Call, media_type: str) -> bool:
    """Whether `Accept` names this very type, and not with a weight of nothing (RFC 9110 section 12.5.1)."""
    for part in ",".join(call.request.headers.getlist("accept")).split(","):
        name, *parameters = (text.strip().lower() for text in part.split(";"))
        if name == media_type:
            return not any(text.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for text in parameters)
    return False


_CLIENT = ("client_id", "client_assertion_type", "client_assertion")

ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/oauth/token",
        handler=token,
        summary="Renew credentials; exchange a user's token for one of another service; a service's own token",
        form=(
            *("grant_type", "refresh_token", "scope", "subject_token", "subject_token_type", "requested_token_type"),
            *("audience", "resource", *_CLIENT),
        ),
        answers={200: TokenAnswer},
        refusals=(400, 401, 403, 413, 415, 429, 503),
        dialect=Dialect.OAUTH,
        tag="oauth",
    ),
    Endpoint(
        method="POST",
        path="/oauth/revoke",
        handler=revoke,
        ends=True,
        summary="End the session of any token (RFC 7009)",
        form=("token", "token_type_hint", *_CLIENT),
        answers={200: None},
        refusals=(400, 401, 413, 415, 429, 503),
        dialect=Dialect.OAUTH,
        tag="oauth",
    ),
    Endpoint(
        method="POST",
        path="/oauth/introspect",
        handler=introspect,
        summary="Whether a token is live and what it says, for the service it is meant for (RFC 7662, RFC 9701)",
        form=("token", "token_type_hint", *_CLIENT),
        answers={200: dict},
        refusals=(400, 401, 413, 415, 429, 503),
        by_client=True,
        dialect=Dialect.OAUTH,
        tag="oauth",
    ),
)
