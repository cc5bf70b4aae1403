"""The command line: one module a noun. Everything heavy is imported by the command that needs it."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """The `ostiary` executable."""
    from ostiary.cli.shell import run

    sys.exit(run(sys.argv[1:]))
