"""`ostiary download`."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ostiary.cli.shell import Usage


def download(
    url: Annotated[str, Parameter(help="The link, as it was given: https://…/files/…?token=…")],
    *,
    output: Annotated[
        str | None,
        Parameter(
            name=("--output", "-o"),
            allow_leading_hyphen=True,
            help="File to write [the file's own name, here]; - is stdout.",
        ),
    ] = None,
    token_stdin: Annotated[
        bool, Parameter(name="--token-stdin", negative=(), help="Read the token from stdin; the link has none.")
    ] = False,
    force: Annotated[bool, Parameter(name="--force", negative=(), help="Write over a file that is there.")] = False,
) -> None:
    """Fetch a file for a one-time token. What was broken off goes on where it was when the same command is run again,
    within ten minutes. Exit codes: 0 done, 1 refused, 2 usage, 3 not reachable or broken off."""
    from ostiary.cli.fetching import Fetching, link_of

    link = link_of(url, sys.stdin.readline().strip() if token_stdin else None)
    if output == "-":
        Fetching(link, None).to_stdout()
        return
    target = Path(output) if output is not None else Path(link.name)
    if target.is_dir():
        target = target / link.name
    if not target.parent.is_dir():
        raise Usage(f"the folder {target.parent} does not exist")
    if target.exists() and not force:
        raise Usage(f"{target} is there: say --force to write over it, or name another with --output")
    Fetching(link, target).to_file()
