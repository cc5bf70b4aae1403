"""`ostiary download-server`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ostiary.cli.shell import Usage


def download_server(
    *,
    root: Annotated[Path, Parameter(help="Folder of the files; everything below it can be asked for.")],
    issuer: Annotated[str, Parameter(help="URL of the auth server that makes the tokens.")],
    audience: Annotated[str, Parameter(help="What its tokens call this server: one of the setting audiences there.")],
    host: Annotated[str, Parameter(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="TCP port to listen on.")] = 8001,
    state: Annotated[
        Path | None, Parameter(help="SQLite file that remembers what was spent [downloads.db in the state folder].")
    ] = None,
    valkey: Annotated[
        str | None, Parameter(help="Valkey that several replicas share, instead of a file: valkey://host:port/0")
    ] = None,
    client: Annotated[
        str | None,
        Parameter(help="Id of a client of the issuer, to refuse tokens of sessions that have ended."),
    ] = None,
    client_secret_file: Annotated[Path | None, Parameter(help="File that holds the client's secret.")] = None,
) -> None:
    """Serve files for one-time tokens, each good for one download, until Ctrl-C or SIGTERM. Needs nothing of the auth
    server but its public keys."""
    if state is not None and valkey is not None:
        raise Usage("name either --state or --valkey")
    if (client is None) != (client_secret_file is None):
        raise Usage("--client and --client-secret-file go together")
    from ostiary.cli.file_server import run_file_server, secret_in

    who = (client, secret_in(client_secret_file)) if client is not None and client_secret_file is not None else None

    run_file_server(
        root,
        issuer=issuer.rstrip("/"),
        audience=audience,
        host=host,
        port=port,
        state=state,
        valkey=valkey,
        client=who,
    )
