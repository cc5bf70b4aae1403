"""What a command asks. Passwords come from a prompt or from stdin, never from an argument that others could list."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from getpass import getpass

from ostiary.cli.shell import Declined, Usage

_STDIN_BYTES = 16 * 1024  # a password of 1024 characters of any script, and some to be refused by its own rule


def read_password(*, from_stdin: bool, prompt: str = "Password", twice: bool = True) -> str:
    """The password as typed. Raises ``Usage`` if there is nobody to ask, ``Declined`` if two answers differ."""
    if from_stdin:
        with interruptible():
            raw = sys.stdin.buffer.read(_STDIN_BYTES)
        try:
            return raw.removesuffix(b"\n").removesuffix(b"\r").decode()
        except UnicodeDecodeError:
            raise Usage("the password on stdin is not UTF-8 text") from None
    if not sys.stdin.isatty():
        raise Usage("there is no terminal to ask for the password: pass it with --password-stdin")
    try:
        with interruptible():
            password = getpass(f"{prompt}: ")
            again = getpass(f"{prompt} again: ") if twice else password
    except EOFError:
        raise Declined("no password was given; nothing was changed") from None
    if again != password:
        raise Declined("the two passwords differ; nothing was changed")
    return password


def confirm(question: str, *, yes: bool) -> None:
    """Go on only with a yes. Raises ``Declined`` without one, ``Usage`` where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Usage(f"{question} There is no terminal to ask: say --yes")
    with interruptible():
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline().strip().lower()
    if answer not in ("y", "yes"):
        raise Declined("not confirmed; nothing was changed")


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends the question, or the waiting for input: asyncio's own handler would wait for a loop that waits for
    the answer."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
