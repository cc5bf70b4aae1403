"""`ostiary demo`."""

from typing import Annotated

from cyclopts import Parameter

from ostiary.cli.options import Where


def demo(*, port: Annotated[int, Parameter(help="TCP port on 127.0.0.1.")] = 8000) -> None:
    """Try it: a server on this machine with accounts in memory. Nothing is kept."""
    from ostiary.cli.demo_server import run_demo

    settings = Where(database="memory:").settings(
        {"host": "127.0.0.1", "port": port, "issuer": f"http://127.0.0.1:{port}"}
    )
    run_demo(settings)
