"""What a reverse proxy asks before it lets a request through. Contract section 5, "Giving others the means to check".

The proxy's question is a GET with the headers of the request that it holds; that request's own method is told in a
header. Whoever is asked is believed about it only if it is near or trusted, and a method that nobody tells, or that two
headers tell differently, is not a safe one.
"""

from starlette.responses import Response
from starlette.types import Scope

from ostiary.errors import Forbidden
from ostiary.http import client, csrf
from ostiary.http.call import Call
from ostiary.http.config import HttpConfig
from ostiary.http.endpoints import Endpoint, Query

_METHOD_HEADERS = (b"x-original-method", b"x-forwarded-method")
_SOCKET_HEADERS = (b"sec-websocket-key", b"sec-websocket-version")


async def forward_auth(call: Call) -> Response:
    """GET /v1/forward-auth"""
    check_asker(call.scope, call.services.config)
    method = original_method(call.scope)
    role, audience = _asked(call, "role"), _asked(call, "audience")
    # What is renewed in passing comes with new cookies, which proxies throw away: that would spend a refresh token for
    # nothing, and its next use would look like a theft.
    scope, authenticator = {**call.scope, "method": method, "ostiary.edge": True}, call.services.authenticator
    caller = authenticator.known(scope, call.now)
    if caller is None:
        caller = (await authenticator.authenticate(scope, call.now, call.client, may_renew=False)).caller
    if role is not None and role not in caller.roles:
        raise Forbidden(private="the role is not among the caller's")
    headers = {
        "Cache-Control": "no-store",
        "X-Auth-Subject": caller.account_id,
        "X-Auth-Session": caller.session_id,
        "X-Auth-Roles": ",".join(sorted(caller.roles)),
    }
    if audience is not None:
        token = call.services.forward_auth.internal_token(caller, audience, call.now)
        headers["Authorization"] = f"Bearer {token}"
    return Response(headers=headers)


def check_asker(scope: Scope, config: HttpConfig) -> None:
    """Raises Forbidden unless a proxy of ours asks: the answer is made of headers that anybody else could invent."""
    peer = scope.get("client")
    if not client.is_near_or_trusted(peer[0] if peer else "", config.trusted_proxies):
        raise Forbidden("Only a reverse proxy on this machine or among trusted_proxies may ask.", private="not a proxy")


def original_method(scope: Scope) -> str:
    """The method of the request that the proxy holds, "" if it does not say; a WebSocket's handshake has none that
    counts, since another site can open one. Raises Forbidden if two headers disagree: one of them is the client's."""
    told: set[bytes] = set()
    socket = False
    for name, value in scope["headers"]:
        if name in _METHOD_HEADERS:
            told.add(value.strip(b" \t"))
        elif name in _SOCKET_HEADERS:
            socket = True
    if len(told) > 1:
        raise Forbidden("The headers that tell the original method disagree.", private="two original methods")
    method = told.pop().decode("latin-1") if told else ""
    return "" if socket and method in csrf.SAFE_METHODS else method


def _asked(call: Call, name: str) -> str | None:
    return call.query(name) if name in call.request.query_params else None


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/forward-auth",
        handler=forward_auth,
        summary="For reverse proxies: may this request pass, whose is it, and a token for the service behind",
        query=(
            Query(name="audience", description="The service behind; one of the setting `audiences`."),
            Query(name="role", description="A role that the caller must have."),
        ),
        answers={200: None},
        refusals=(401, 403, 422, 503),
        tag="services",
    ),
)
