"""Any WSGI application behind a verifier."""

from collections.abc import Callable, Iterable, MutableMapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ostiary.errors import Unavailable
from ostiary.verifier.answers import answer_to
from ostiary.verifier.errors import Refused

if TYPE_CHECKING:
    from ostiary.verifier.verifier import Verifier

Environ = MutableMapping[str, Any]
WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

CALLER = "ostiary.caller"


class Guarded:
    """Calls `app` with the `Caller` in `environ["ostiary.caller"]` and the account's id in `REMOTE_USER`, or answers
    problem+json."""

    def __init__(
        self, verifier: "Verifier", app: WsgiApp, *, role: str | None, scope: str | Iterable[str] | None
    ) -> None:
        self._verifier = verifier
        self._app = app
        self._role = role
        self._needed = tuple(scope.split() if isinstance(scope, str) else scope or ())

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        sent = environ.get("HTTP_AUTHORIZATION")
        headers = () if sent is None else (("Authorization", sent),)
        try:
            caller = self._verifier.authenticate_sync(headers, role=self._role, scope=self._needed)
        except (Refused, Unavailable) as error:
            answer = answer_to(error)
            start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", list(answer.headers))
            return [answer.body]
        return self._app({**environ, CALLER: caller, "REMOTE_USER": caller.account_id}, start_response)
