"""`ostiary demo`."""

from typing import Annotated

from cyclopts import Parameter


def demo(*, port: Annotated[int, Parameter(help="TCP port on 127.0.0.1.")] = 8000) -> None:
    """Try it: a server with a protected notes API and seeded accounts, on this machine. Nothing is kept."""
    from ostiary.cli.demo_server import run_demo

    run_demo(port)
