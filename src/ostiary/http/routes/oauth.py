"""The endpoints that standard clients know: refresh, revocation, metadata, keys."""

import msgspec
from starlette.responses import Response

from ostiary.credentials import dpop
from ostiary.domain.session import EndReason, Transport
from ostiary.errors import InvalidToken, OstiaryError
from ostiary.http.answers import (
    TokenAnswer,
    token_type_of,
)
from ostiary.http.call import Call
from ostiary.http.endpoints import Dialect, Endpoint
from ostiary.http.problems import OAuthError, json_response
from ostiary.services.issuing import granted_scope
from ostiary.services.recognition import Expired

KEYS_MAX_AGE = 300  # seconds that a verifier may keep the key set; the next key is published long before it signs


def refuse_client_credentials(call: Call) -> None:
    """No client is registered, so whoever authenticates as one is wrong (RFC 6749 section 5.2)."""
    scheme = call.request.headers.get("authorization", "").partition(" ")[0]
    if scheme.lower() == "basic" or {"client_secret", "client_assertion"} & call.form.keys():
        raise OAuthError("invalid_client", "The client is not registered.", status=401)


async def token(call: Call) -> Response:
    """POST /oauth/token"""
    refuse_client_credentials(call)
    grant_type = call.form.get("grant_type", "")
    if not grant_type:
        raise OAuthError("invalid_request", "'grant_type' is missing.")
    if grant_type != "refresh_token":
        raise OAuthError("unsupported_grant_type", "Only 'refresh_token' is offered.")
    text = call.form.get("refresh_token") or None  # sent without a value is not sent (RFC 6749 section 3.2)
    from_cookie = text is None
    if text is None:
        cookies = call.services.cookies
        text = cookies.value(call.scope["headers"], cookies.refresh)
        if text is None:
            raise OAuthError("invalid_request", "'refresh_token' is missing.")
        call.services.authenticator.check_csrf(call.scope)
    if call.form.get("scope"):
        await _check_scope(call, text, call.form["scope"])
    thumbprint = call.services.proofs.asking(call.scope, call.now)
    issued = await call.services.refresh.refresh(text, call.client, key_thumbprint=thumbprint)
    in_cookie = from_cookie and issued.session.transport is Transport.COOKIE
    answer = TokenAnswer(
        token_type=token_type_of(issued.session),
        expires_in=issued.expires_in,
        access_token=msgspec.UNSET if in_cookie else issued.access_token,
        refresh_token=msgspec.UNSET if from_cookie or issued.refresh_token is None else issued.refresh_token,
        refresh_expires_in=issued.refresh_expires_in if issued.refresh_expires_in is not None else msgspec.UNSET,
        scope=" ".join(issued.scope),
    )
    return json_response(
        answer,
        headers={"Pragma": "no-cache"},
        cookies=call.services.cookies.issue(issued, call.now) if from_cookie else None,
    )


async def _check_scope(call: Call, refresh_token: str, asked: str) -> None:
    """A refresh keeps the scope of the login: what is asked for is that, or refused before anything is spent."""
    session = await call.services.refresh.session_of(refresh_token)
    account = await call.services.context.store.accounts.get(session.account_id) if session else None
    if session is None or account is None:
        return  # no grant, as the refresh itself will say
    if set(asked.split(" ")) != set(granted_scope(call.services.context, account.roles, session.scope)):
        raise OAuthError("invalid_scope", "A refresh keeps the scope of the login.")


async def revoke(call: Call) -> Response:
    """POST /oauth/revoke (RFC 7009): whoever holds a token may end its session, whatever it is; always 200."""
    refuse_client_credentials(call)
    text = call.form.get("token")
    if not text:
        raise OAuthError("invalid_request", "'token' is missing.")
    session_id = await _session_behind(call, text)
    if session_id is not None:
        try:
            await call.services.sessions.end(session_id, reason=EndReason.REVOKED, actor="holder", client=call.client)
        except OstiaryError as error:
            if error.code != "not_found":
                raise
    return Response(status_code=200, headers={"Cache-Control": "no-store"})


async def _session_behind(call: Call, text: str) -> str | None:
    session = await call.services.refresh.session_of(text)
    if session is not None:
        return session.id
    try:
        return (await call.services.recognition.recognise(text, call.now)).session_id
    except Expired as expired:
        found = await call.services.context.store.sessions.get(expired.token.session_id)
        return found.id if found is not None and found.version == expired.token.version else None
    except InvalidToken:
        return None


async def metadata(call: Call) -> Response:
    """GET /.well-known/oauth-authorization-server (RFC 8414): only what works."""
    issuer = call.services.config.issuer
    return json_response(
        {
            "issuer": issuer,
            "token_endpoint": f"{issuer}/oauth/token",
            "revocation_endpoint": f"{issuer}/oauth/revoke",
            "jwks_uri": f"{issuer}/.well-known/jwks.json",
            "grant_types_supported": ["refresh_token"],
            "response_types_supported": [],
            "dpop_signing_alg_values_supported": list(dpop.ALGORITHMS),
            "token_endpoint_auth_methods_supported": ["none"],
            "revocation_endpoint_auth_methods_supported": ["none"],
            "service_documentation": f"{issuer}/docs",
        },
        headers={"Cache-Control": "public, max-age=300"},
    )


async def jwks(call: Call) -> Response:
    """GET /.well-known/jwks.json (RFC 7517 section 5): public keys only."""
    return Response(
        call.services.signing_keys.ring.jwks,
        headers={"Cache-Control": f"public, max-age={KEYS_MAX_AGE}"},
        media_type="application/jwk-set+json",
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/oauth/token",
        handler=token,
        summary="Renew credentials (grant_type=refresh_token)",
        form=("grant_type", "refresh_token", "scope", "client_id"),
        answers={200: TokenAnswer},
        refusals=(400, 401, 403, 413, 415, 429, 503),
        dialect=Dialect.OAUTH,
        tag="oauth",
    ),
    Endpoint(
        method="POST",
        path="/oauth/revoke",
        handler=revoke,
        summary="End the session of any token (RFC 7009)",
        form=("token", "token_type_hint", "client_id"),
        answers={200: None},
        refusals=(400, 401, 413, 415, 503),
        dialect=Dialect.OAUTH,
        tag="oauth",
    ),
    Endpoint(
        method="GET",
        path="/.well-known/oauth-authorization-server",
        handler=metadata,
        summary="Server metadata (RFC 8414)",
        answers={200: dict},
        tag="oauth",
    ),
    Endpoint(
        method="GET",
        path="/.well-known/jwks.json",
        handler=jwks,
        summary="Public signing keys (RFC 7517)",
        answers={200: dict},
        tag="oauth",
    ),
)
