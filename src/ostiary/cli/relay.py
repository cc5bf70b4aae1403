"""`ostiary relay`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ostiary.cli.shell import Usage


def relay(
    *,
    issuer: Annotated[str, Parameter(help="URL of the auth server whose revocations are handed on.")],
    client: Annotated[str, Parameter(help="Id of a client of the issuer: what this relay follows as.")],
    followers: Annotated[
        Path,
        Parameter(help="File that says who may follow: a line for each, id and SHA-256 of its secret, or JWK set."),
    ],
    client_secret_file: Annotated[Path | None, Parameter(help="File that holds the client's secret.")] = None,
    client_key_file: Annotated[
        Path | None, Parameter(help="File that holds the client's private key, a JWK, instead of a secret.")
    ] = None,
    audience: Annotated[
        str | None, Parameter(help="URL by which followers ask this relay; needed where any of them has a key.")
    ] = None,
    upstream: Annotated[
        str | None, Parameter(help="URL of another relay, to be followed instead of the issuer itself.")
    ] = None,
    host: Annotated[str, Parameter(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="TCP port to listen on.")] = 8003,
    metrics_bind: Annotated[str | None, Parameter(help="Address and port of /metrics: 127.0.0.1:9102")] = None,
) -> None:
    """Hand the issuer's revocations on to verifiers, until Ctrl-C or SIGTERM. Needs no store."""
    if (client_secret_file is None) == (client_key_file is None):
        raise Usage("name either --client-secret-file or --client-key-file")
    from ostiary.cli.relay_server import proof_of, run_relay

    run_relay(
        issuer=issuer,
        upstream=upstream,
        proof=proof_of(client, client_secret_file, client_key_file),
        audience=audience or "",
        followers=followers,
        host=host,
        port=port,
        metrics_bind=metrics_bind,
    )
