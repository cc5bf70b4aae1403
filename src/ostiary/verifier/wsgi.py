"""Any WSGI application behind a verifier."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from ostiary.domain.caller import Caller
from ostiary.errors import Unavailable
from ostiary.verifier.answers import answer_to
from ostiary.verifier.errors import Refused
from ostiary.verifier.headers import Headers

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

CALLER = "ostiary.caller"


class Guarded:
    """Calls `app` with the `Caller` in `environ["ostiary.caller"]` and the account's id in `REMOTE_USER`, or answers
    problem+json."""

    def __init__(self, app: WsgiApp, *, authenticate: Callable[[Headers], Caller]) -> None:
        self._app = app
        self._authenticate = authenticate

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        sent = environ.get("HTTP_AUTHORIZATION")
        headers = () if sent is None else (("Authorization", sent),)
        try:
            caller = self._authenticate(headers)
        except (Refused, Unavailable) as error:
            answer = answer_to(error)
            start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", list(answer.headers))
            return [answer.body]
        return self._app({**environ, CALLER: caller, "REMOTE_USER": caller.account_id}, start_response)
