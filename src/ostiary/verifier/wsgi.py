"""Any WSGI application behind a verifier."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from ostiary.domain.caller import Caller
from ostiary.errors import Unavailable
from ostiary.verifier.answers import answer_to
from ostiary.verifier.errors import Refused

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

CALLER = "ostiary.caller"


class Guarded:
    """Calls `app` with the `Caller` in `environ["ostiary.caller"]` and the account's id in `REMOTE_USER`, or answers
    problem+json."""

    def __init__(self, app: WsgiApp, *, authenticate: Callable[..., Caller]) -> None:
        self._app = app
        self._authenticate = authenticate

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        sent = {"Authorization": environ.get("HTTP_AUTHORIZATION"), "DPoP": environ.get("HTTP_DPOP")}
        headers = {name: value for name, value in sent.items() if value is not None}
        path = quote(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""), encoding="latin-1")
        try:
            caller = self._authenticate(headers, method=environ["REQUEST_METHOD"], url=path)
        except (Refused, Unavailable) as error:
            answer = answer_to(error)
            start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", list(answer.headers))
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]
        return self._app({**environ, CALLER: caller, "REMOTE_USER": caller.account_id}, start_response)
