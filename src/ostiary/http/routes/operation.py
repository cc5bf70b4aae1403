"""For operators: is it alive, is it ready, what does it offer."""

import hmac
import logging
import math
from collections.abc import Awaitable

from starlette.responses import Response

from ostiary.errors import InvalidToken, NoSuchRoute, NotAuthenticated, OstiaryError, WrongSchema
from ostiary.http.answers.operation import CheckView, HealthAnswer, ReadyAnswer, RevocationsView
from ostiary.http.call import Call
from ostiary.http.endpoints import Endpoint
from ostiary.http.problems import json_response

log = logging.getLogger("ostiary.ready")


async def healthz(call: Call) -> Response:  # noqa: ARG001 - the process answers, whatever it is asked
    """GET /healthz"""
    return json_response(HealthAnswer())


async def readyz(call: Call) -> Response:
    """GET /readyz: store, migrations, signing key, revocation lease."""
    store, migrations = await _store_and_migrations(call)
    checks = [
        CheckView(name="store", ok=store),
        CheckView(name="migrations", ok=migrations),
        CheckView(name="signing_key", ok=await _holds("signing key", _has_signer(call))),
        CheckView(name="revocation_lease", ok=await _holds("lease", call.services.recognition.check_lease())),
    ]
    ready = all(check.ok for check in checks)
    return json_response(
        ReadyAnswer(
            ready=ready, checks=checks, worker=call.services.config.worker, revocations=_revocations_view(call)
        ),
        status=200 if ready else 503,
        headers=None if ready else {"Retry-After": "1"},
    )


async def metrics(call: Call) -> Response:
    """GET /metrics: there only for whoever has the token; without one, the numbers are on a port of their own."""
    expected = call.services.config.metrics_token
    if expected is None:
        raise NoSuchRoute
    scheme, _, token = call.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotAuthenticated
    if not hmac.compare_digest(token.strip().encode("latin-1"), expected):
        raise InvalidToken(private="not the metrics token")
    return call.services.metrics.response()


def _revocations_view(call: Call) -> RevocationsView:
    status = call.services.recognition.feed_status()
    return RevocationsView(
        lease_left=_finite(status.lease_left),
        age=_finite(status.age),
        entries=status.entries,
        bound=status.bound,
    )


def _finite(seconds: float) -> float | None:
    return round(seconds, 3) if math.isfinite(seconds) else None


async def _store_and_migrations(call: Call) -> tuple[bool, bool | None]:
    """None: a store that does not answer says nothing of its schema."""
    try:
        await call.services.context.store.check()
    except WrongSchema as error:
        log.warning("not ready: migrations: %s", error.private)
        return True, False
    except OstiaryError as error:
        log.warning("not ready: store: %s %s", error, error.private)
        return False, None
    return True, True


async def _has_signer(call: Call) -> None:
    _ = call.services.signing_keys.ring


async def _holds(name: str, look: Awaitable[None]) -> bool:
    try:
        await look
    except OstiaryError as error:
        log.warning("not ready: %s: %s %s", name, error, error.private)
        return False
    return True


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/healthz",
        handler=healthz,
        summary="The process lives",
        answers={200: HealthAnswer},
        tag="operation",
    ),
    Endpoint(
        method="GET",
        path="/readyz",
        handler=readyz,
        summary="The process can serve; 503 names the check that fails",
        answers={200: ReadyAnswer, 503: ReadyAnswer},
        tag="operation",
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        handler=metrics,
        summary="Prometheus metrics, for the bearer of `metrics_token`",
        answers={200: None},
        refusals=(401, 404),
        tag="operation",
    ),
)
