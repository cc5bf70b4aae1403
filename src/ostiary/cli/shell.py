"""From arguments to an exit code: 0 done, 1 refused or invalid, 2 usage, 3 unavailable. Never a traceback.

An error is one line on stderr: what is wrong, its stable code, what to do next.
"""

import os
import sys
from collections.abc import Sequence

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


class Usage(Exception):
    """The command line itself is wrong: exit code 2."""


class Declined(Exception):
    """Somebody was asked and did not say yes, or said two things: exit code 1, and nothing was changed."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return the code to leave with."""
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
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception as wrong:  # the last line of defence: a sentence, not a traceback
        if sys.flags.dev_mode:
            raise
        return _fail(
            f"this should not have happened: {type(wrong).__name__}",
            "internal_error",
            "run it again as `python -X dev -m ostiary.cli …` to see where, and report it",
            REFUSED,
        )
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
    print(f"error: {message.rstrip('.')} ({code}){then}", file=sys.stderr)
    return exit_code


def _one_line(text: str) -> str:
    return " ".join(text.split())
