"""Reading what must not stand on a command line, from a file or from stdin, and writing what others must not read."""

import os
import sys
from pathlib import Path

from ostiary.cli.prompts import interruptible
from ostiary.cli.shell import Usage
from ostiary.credentials import opaque

_PREFIXES = ("ey", opaque.SESSION_TOKEN_PREFIX, opaque.REFRESH_TOKEN_PREFIX, "ost_cs_", "{", "-----")
_SECRET_MODE = 0o600


def read_input(name: str, *, most: int, what: str) -> bytes:
    """At most `most` + 1 bytes of the file, or of stdin for `-`: one more than is acceptable, so that the reader can
    tell. Raises Usage; a secret that was given in place of a name is not repeated."""
    try:
        with interruptible():
            if name == "-":
                return sys.stdin.buffer.read(most + 1)
            with Path(name).open("rb") as file:
                return file.read(most + 1)
    except (OSError, ValueError) as wrong:
        if name.startswith(_PREFIXES):
            raise Usage(
                f"pass the {what} on stdin or in a file: what stands on a command line can be seen by others"
            ) from None
        told = wrong.strerror if isinstance(wrong, OSError) and wrong.strerror else "not a usable name"
        raise Usage(f"the {what} cannot be read from that file ({told})") from None


def write_secret(path: Path, content: bytes) -> None:
    """A new file that only its owner may read. Raises Usage rather than replace what is there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _SECRET_MODE)
    except OSError as wrong:
        raise Usage(f"{path} cannot be written ({wrong.strerror})") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
