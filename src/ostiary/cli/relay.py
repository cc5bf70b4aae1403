"""`ostiary relay`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def relay(
    *,
    issuer: Annotated[str, Parameter(help="URL of the auth server whose revocations are handed on.")],
    client: Annotated[str, Parameter(help="Id of a client of the issuer: what this relay follows as.")],
    client_secret_file: Annotated[Path, Parameter(help="File that holds the client's secret.")],
    followers: Annotated[
        Path, Parameter(help="File that says who may follow: a line for each, id and SHA-256 of its secret.")
    ],
    upstream: Annotated[
        str | None, Parameter(help="URL of another relay, to be followed instead of the issuer itself.")
    ] = None,
    host: Annotated[str, Parameter(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="TCP port to listen on.")] = 8003,
    metrics_bind: Annotated[str | None, Parameter(help="Address and port of /metrics: 127.0.0.1:9102")] = None,
) -> None:
    """Hand the issuer's revocations on to verifiers, until Ctrl-C or SIGTERM. Needs no store."""
    from ostiary.cli.relay_server import run_relay

    run_relay(
        issuer=issuer,
        upstream=upstream,
        client_id=client,
        client_secret_file=client_secret_file,
        followers=followers,
        host=host,
        port=port,
        metrics_bind=metrics_bind,
    )
