"""Errors on the wire: one table from an error to its status, headers and body.

`/v1/...` speaks RFC 9457, `/oauth/...` RFC 6749 section 5.2. Nothing of what the caller sent comes back.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Scope

from ostiary.credentials import dpop
from ostiary.errors import (
    InvalidClient,
    InvalidProof,
    InvalidRequest,
    InvalidToken,
    MethodNotAllowed,
    NotAuthenticated,
    OstiaryError,
    PasswordRejected,
    TooManyAttempts,
    Unavailable,
)

_encode = msgspec.json.Encoder().encode

REALM = 'Bearer realm="ostiary"'
BASIC_REALM = 'Basic realm="ostiary"'
DPOP_REALM = f'DPoP realm="ostiary", algs="{" ".join(dpop.ALGORITHMS)}"'


class ContentTooLarge(InvalidRequest):
    """The body is larger than any request needs (413)."""

    code = "content_too_large"
    status = 413
    title = "The request body is too large"


class RequestTimeout(InvalidRequest):
    """The body did not come in time (408, RFC 9110 section 15.5.9)."""

    code = "request_timeout"
    status = 408
    title = "The request body took too long"


class TargetTooLong(InvalidRequest):
    """The request target is longer than any address of ours (RFC 9110 section 15.5.15)."""

    code = "target_too_long"
    status = 414
    title = "The address of the request is too long"


class UnsupportedMediaType(InvalidRequest):
    """The body is not of the type that the call takes (415)."""

    code = "unsupported_media_type"
    status = 415
    title = "The request body is not of the expected type"


class WrongHost(OstiaryError):
    """The Host header names somebody else (RFC 9110 section 15.5.20)."""

    code = "wrong_host"
    status = 421
    title = "This server does not answer for that host"


class WrongScheme(InvalidToken):
    """A credential that is bound to no key came under the DPoP scheme, or one that is bound under Bearer (RFC 9449
    sections 7.1 and 7.2)."""


class NoClient(NotAuthenticated):
    """A service has to say who it is, outside the OAuth endpoints: by HTTP Basic, or by an assertion as the bearer
    token."""


class OAuthError(OstiaryError):
    """An error that only the OAuth endpoints have. `code` is the OAuth one."""

    status = 400

    def __init__(self, code: str, message: str = "", *, status: int = 400) -> None:
        super().__init__(message or code)
        self.oauth_code = code
        self.status = status  # type: ignore[misc]


_OAUTH_CODES = {
    "content_too_large": "invalid_request",
    "request_timeout": "invalid_request",
    "headers_too_large": "invalid_request",
    "target_too_long": "invalid_request",
    "unsupported_media_type": "invalid_request",
    "wrong_host": "invalid_request",
    "not_found": "invalid_request",
    "method_not_allowed": "invalid_request",
    "unavailable": "temporarily_unavailable",
    "overloaded": "temporarily_unavailable",
    "internal_error": "server_error",
}
"""Where OAuth has another word for it (RFC 6749 sections 4.1.2.1 and 5.2); the status says the rest."""


def headers_of(error: OstiaryError) -> dict[str, str]:
    """What must stand beside the body."""
    headers = {"Cache-Control": "no-store"}
    if error.status == 401:
        realm = DPOP_REALM if isinstance(error, WrongScheme | InvalidProof) else REALM
        code = error.code if isinstance(error, InvalidProof) else "invalid_token"
        headers["WWW-Authenticate"] = f'{realm}, error="{code}"' if isinstance(error, InvalidToken) else realm
    if isinstance(error, TooManyAttempts | Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = error.allowed
    if isinstance(error, NoClient):
        headers["WWW-Authenticate"] = f"{REALM}, {BASIC_REALM}"
    if isinstance(error, InvalidClient):
        headers["WWW-Authenticate"] = BASIC_REALM
    if error.code == "insufficient_scope":
        headers["WWW-Authenticate"] = f'{REALM}, error="insufficient_scope"'
    return headers


def problem_body(error: OstiaryError) -> dict[str, Any]:
    """RFC 9457 section 3.1."""
    body = error.problem()
    if isinstance(error, PasswordRejected):
        body["reasons"] = [{"code": reason.code, "message": reason.message} for reason in error.reasons]
    if isinstance(error, TooManyAttempts | Unavailable):
        body["retry_after"] = error.retry_after
    return body


def problem(error: OstiaryError) -> Response:
    """The answer of `/v1/...`."""
    headers = headers_of(error)
    if isinstance(error, InvalidClient):  # an assertion comes as the bearer token here
        headers["WWW-Authenticate"] = f'{REALM}, error="invalid_token", {BASIC_REALM}'
    return Response(
        msgspec.json.encode(problem_body(error)),
        status_code=error.status,
        headers=headers,
        media_type="application/problem+json",
    )


def oauth_problem(error: OstiaryError) -> Response:
    """The answer of `/oauth/...`. What is parseable but wrong is 400 there, too."""
    status = 400 if error.status == 422 else error.status
    headers = headers_of(error)
    code = error.oauth_code if isinstance(error, OAuthError) else _OAUTH_CODES.get(error.code, error.code)
    return Response(
        msgspec.json.encode({"error": code, "error_description": str(error)}),
        status_code=status,
        headers=headers,
        media_type="application/json",
    )


def is_oauth(scope: Scope) -> bool:
    """Whether errors at this path are told in OAuth's words."""
    return path_of(scope).startswith("/oauth/")


def path_of(scope: Scope) -> str:
    """The path below where this application is mounted."""
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


def json_response(
    body: object, *, status: int = 200, headers: Mapping[str, str] | None = None, cookies: list[str] | None = None
) -> Response:
    """JSON that nobody may keep."""
    response = Response(
        _encode(body),
        status_code=status,
        headers={"Cache-Control": "no-store", **(headers or {})},
        media_type="application/json",
    )
    for line in cookies or ():
        response.headers.append("Set-Cookie", line)
    return response
