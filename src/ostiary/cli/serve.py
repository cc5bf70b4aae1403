"""`ostiary serve`."""

from typing import Annotated

from cyclopts import Parameter

from ostiary.cli.options import HERE, Where


def serve(
    *,
    host: Annotated[str | None, Parameter(help="Address to listen on [127.0.0.1].")] = None,
    port: Annotated[int | None, Parameter(help="TCP port to listen on [8000].")] = None,
    issuer: Annotated[str | None, Parameter(help="URL that clients know it by [http://HOST:PORT].")] = None,
    workers: Annotated[int | None, Parameter(help="Processes that serve [1].")] = None,
    where: Where = HERE,
) -> None:
    """Serve the API and the pages, until Ctrl-C or SIGTERM; what is being answered then is answered to its end."""
    settings = where.settings({"host": host, "port": port, "issuer": issuer, "workers": workers})
    from ostiary.cli.server import run_server

    run_server(settings)
