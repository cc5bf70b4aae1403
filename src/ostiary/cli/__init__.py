"""The command line: one module a noun. Everything heavy is imported by the command that needs it."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """The `ostiary` executable."""
    try:
        from ostiary.cli.shell import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while modules are being imported
        code = 130
    except ModuleNotFoundError as missing:
        if str(missing.name).startswith("ostiary"):
            raise
        print(f"error: {missing.name} is not installed; pip install 'ostiary[server]'", file=sys.stderr)
        code = 1
    sys.exit(code)
