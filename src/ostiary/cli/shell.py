"""From arguments to an exit code: 0 done, 1 refused or invalid, 2 usage, 3 unavailable. Never a traceback.

An error is one line on stderr: what is wrong, its stable code, what to do next.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from ostiary.errors import Misconfigured, OstiaryError, Unavailable

DONE, REFUSED, USAGE, UNAVAILABLE = 0, 1, 2, 3
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
PIPE_CLOSED = 141  # 128 + SIGPIPE

_NEXT = {
    "username_taken": "choose another, or look at the one there is: ostiary account show NAME",
    "not_found": "look for it with `ostiary account list`, `session list`, `client list` or `key list`",
    "password_rejected": "choose another password",
    "last_admin": "make somebody else an administrator first: ostiary account set-roles NAME --role admin",
    "conflict": "try again",
    "unavailable": "try again; `ostiary doctor` says what is wrong",
    "overloaded": "try again",
}


_NOT_WRITTEN = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
_LOST = "what the command had to do is done: look before you run it again"


class Usage(Exception):
    """The command line itself is wrong: exit code 2."""


class Declined(Exception):
    """Somebody was asked and did not say yes, or said two things: exit code 1, and nothing was changed."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return the code to leave with."""
    _open_standard_streams()
    from cyclopts import CycloptsError

    from ostiary.cli.app import make_app

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code = make_app()(arguments, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as wrong:
        return _fail(_one_line(str(wrong)), "usage", "see --help", USAGE)
    except Usage as wrong:
        return _fail(str(wrong), "usage", "", USAGE)
    except Declined as wrong:
        return _fail(str(wrong), "declined", "", REFUSED)
    except OstiaryError as wrong:
        return fail(wrong)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left; what Python still holds must not raise again at exit.
        _let_go(sys.stdout)
        return PIPE_CLOSED
    except Exception as wrong:  # the last line of defence: a sentence, not a traceback
        if isinstance(wrong, OSError) and wrong.errno in _NOT_WRITTEN and wrong.filename is None:
            _let_go(sys.stdout)
            return _fail(f"the output cannot be written ({wrong.strerror})", "output_lost", _LOST, REFUSED)
        if sys.flags.dev_mode:
            raise
        return _fail(
            f"this should not have happened: {type(wrong).__name__}",
            "internal_error",
            "run it again as `python -X dev -m ostiary.cli …` to see where, and report it",
            REFUSED,
        )
    finally:
        _settle(sys.stderr)
    return code if isinstance(code, int) else DONE


def fail(wrong: OstiaryError) -> int:
    """Say what is wrong; return the exit code of its kind."""
    code = UNAVAILABLE if isinstance(wrong, Unavailable) else REFUSED
    first, *rest = str(wrong).splitlines()
    if wrong.private and isinstance(wrong, Misconfigured | Unavailable):
        first = f"{first.rstrip('.')}: {_one_line(wrong.private)}"  # whoever runs commands is the operator
    _fail(first, wrong.code, getattr(wrong, "hint", _NEXT.get(wrong.code, "")), code)
    if rest:
        print("\n".join(rest), file=sys.stderr)
    return code


def _fail(message: str, code: str, hint: str, exit_code: int) -> int:
    then = f"; {hint}" if hint else ""
    with contextlib.suppress(OSError):  # then the exit code alone says it
        print(f"error: {message.rstrip('.')} ({code}){then}", file=sys.stderr)
    return exit_code


def _open_standard_streams() -> None:
    """Where the caller closed one, the null device: no file that is opened later takes its number, and nobody has to
    ask whether there is one."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - as long as we run


def _settle(stream: TextIO) -> None:
    """An exit code is not changed by what could not be written beside the result."""
    try:
        stream.flush()
    except OSError:
        _let_go(stream)


def _let_go(stream: TextIO) -> None:
    """What the stream still holds goes nowhere, instead of raising once more at exit."""
    with contextlib.suppress(OSError, ValueError):  # a test's own stream has no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _one_line(text: str) -> str:
    return " ".join(text.split())
