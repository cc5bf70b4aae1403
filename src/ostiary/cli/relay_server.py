"""The process of `ostiary relay`: the application, on uvicorn."""

import asyncio
import contextlib
import math
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ostiary.cli.file_server import secret_in
from ostiary.cli.listening import listen
from ostiary.cli.logs import configure_logs
from ostiary.cli.metrics_server import metrics_served
from ostiary.cli.output import note
from ostiary.cli.serving import Server, config_of, loop_factory
from ostiary.clock import SYSTEM_CLOCK
from ostiary.errors import Misconfigured
from ostiary.http.metrics import Metrics
from ostiary.jose import InvalidKey, Key
from ostiary.relay import Relay, RelayServer
from ostiary.relay.allowed import Allowed
from ostiary.relay.answers import Scope
from ostiary.verifier.issuer_client import ClientKey, ClientProof, ClientSecret
from ostiary.verifier.urls import check_issuer, check_url
from ostiary.version import __version__

_GRACE = 5  # seconds that answers under way get when the relay is told to stop
_KEEP_ALIVE = 75
_GAUGES = {
    "ostiary_relay_lease_left_seconds": "Of what this relay knows; 0 if it may say nothing.",
    "ostiary_relay_age_seconds": "Since what this relay knows was complete.",
    "ostiary_relay_entries": "Items of the log that it holds.",
    "ostiary_relay_bytes": "What they take, about.",
    "ostiary_relay_followers": "Who may have a lease by it.",
    "ostiary_relay_streams": "Who listens to it.",
}


def run_relay(
    *,
    issuer: str,
    upstream: str | None,
    proof: ClientProof,
    audience: str,
    followers: Path,
    host: str,
    port: int,
    metrics_bind: str | None,
) -> None:
    """Serve until SIGINT or SIGTERM. Raises Misconfigured for what keeps it from starting."""
    configure_logs("auto")
    check_issuer(issuer)
    feed = (upstream or issuer).rstrip("/") + "/v1/revocations"
    check_url(feed, "relay to follow")
    _check_bind(metrics_bind)
    if audience:
        check_url(audience, "audience")
    meant_for = upstream.rstrip("/") if upstream else issuer
    allowed = Allowed(followers, audience=audience)
    _raise_open_files()
    with (
        contextlib.closing(listen(host, port)) as listener,
        asyncio.Runner(loop_factory=loop_factory()) as runner,
    ):
        relay = Relay(feed, authorization=lambda: proof.header(meant_for, SYSTEM_CLOCK.wall()))
        name, number = listener.getsockname()[:2]
        greeting = (
            f"Ostiary {__version__} hands the revocations of {issuer} on, from {feed}; {len(allowed)} may follow.\n"
            f"Listening on {name} port {number}; Ctrl-C stops it."
        )
        runner.run(_serve(relay, allowed, listener, greeting, metrics_bind))


async def _serve(
    relay: Relay, allowed: Allowed, listener: socket.socket, greeting: str, metrics_bind: str | None
) -> None:
    metrics = Metrics(
        counters={
            "ostiary_relay_questions": ("To the issuer, by what came of them.", "outcome", lambda: _asked(relay)),
            "ostiary_relay_readers_dropped": ("Who did not keep up.", "why", lambda: {"slow": relay.streams.dropped}),
        },
        gauges=_GAUGES,
        read=lambda: _read(relay),
    )

    async def scraped(scope: Any, receive: Any, send: Any) -> None:  # uvicorn takes no bound method
        await metrics.answer(scope, receive, send)

    def abort(scope: Scope) -> None:
        for connection in list(server.server_state.connections):
            if getattr(connection, "scope", None) is scope:
                getattr(connection, "transport").abort()  # noqa: B009 - uvicorn does not say its type

    def answered(method: str, path: str, status: int, seconds: float) -> None:
        metrics.answered(method if method in ("GET", "HEAD") else "other", path, status, seconds)

    app = RelayServer(relay, allowed, abort=abort, answered=answered)
    server = Server(config_of(app, keep_alive=_KEEP_ALIVE, grace=_GRACE))

    def stop(number: int) -> None:
        relay.close()  # else it would wait for streams that never end
        server.stop(number)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    await app.start()
    try:
        async with metrics_served(metrics_bind, scraped):
            note(greeting)
            await server.serve(sockets=[listener])
    finally:
        await app.stop()


def _check_bind(bind: str | None) -> None:
    host, _, port = (bind or "127.0.0.1:1").rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise Misconfigured("--metrics-bind is an address and a port: 127.0.0.1:9102")


def proof_of(client_id: str, secret_file: Path | None, key_file: Path | None) -> ClientProof:
    """Who the relay is to whom it follows: by the one of the two files that is named. Raises Misconfigured."""
    if key_file is None:
        assert secret_file is not None  # noqa: S101 - the command demands one
        secret = secret_in(secret_file)
        if not secret:
            raise Misconfigured(f"{secret_file} holds no secret.")
        return ClientSecret(client_id, secret)
    try:
        key = Key.from_jwk(key_file.read_bytes())
    except OSError:
        raise Misconfigured(f"The client's key cannot be read from {key_file}.") from None
    except InvalidKey as wrong:
        raise Misconfigured(f"{key_file} holds no private key: {wrong.reason}.") from None
    if not key.private or key.symmetric:
        raise Misconfigured(f"{key_file} holds no private key.")
    return ClientKey(client_id, key)


def _asked(relay: Relay) -> Mapping[str, float]:
    return {"answered": relay.asked - relay.failed, "failed": relay.failed}


def _read(relay: Relay) -> Mapping[str, float]:
    age = relay.age
    return {
        "ostiary_relay_lease_left_seconds": relay.lease_left,
        **({"ostiary_relay_age_seconds": age} if math.isfinite(age) else {}),
        "ostiary_relay_entries": len(relay.copy),
        "ostiary_relay_bytes": relay.copy.size(),
        "ostiary_relay_followers": len(relay.ledger),
        "ostiary_relay_streams": len(relay.streams),
    }


def _raise_open_files() -> None:
    """Each follower takes two connections; what a shell allows by default is some hundred."""
    try:
        import resource
    except ImportError:  # Windows
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
