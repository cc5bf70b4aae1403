"""On a terminal: passwords are asked for twice and not shown, and what cannot be undone is asked about."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.cli.conftest import EXECUTABLE, GOOD_PASSWORD, Shell

pty = pytest.importorskip("pty")
CTRL_C = "\x03"
Add = Callable[..., dict[str, Any]]


def typed(shell: Shell, arguments: tuple[str, ...], *answers: tuple[str, str]) -> tuple[int, str]:
    """Run on a terminal; at each prompt type the answer. Returns the exit code and all that the terminal showed."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [EXECUTABLE, *arguments],
        stdin=child,
        stdout=child,
        stderr=child,
        cwd=shell.folder,
        env=shell.environ(TERM="xterm"),
        start_new_session=True,
    )
    os.close(child)
    stop = threading.Timer(60, process.kill)  # one that waits for an answer that never comes fails its test
    stop.start()
    shown, seen = b"", 0
    waiting = list(answers)
    while True:
        try:
            piece = os.read(parent, 4096)
        except OSError:  # Linux: the other side has closed
            break
        if not piece:
            break
        shown += piece
        if waiting and waiting[0][0].encode() in shown[seen:]:
            seen = len(shown)
            answer = waiting.pop(0)[1]
            if answer == CTRL_C:
                process.send_signal(signal.SIGINT)  # what a terminal does about it
            else:
                os.write(parent, answer.encode() + b"\n")
    os.close(parent)
    stop.cancel()
    return process.wait(timeout=30), shown.decode().replace("\r\n", "\n")


def test_password_is_asked_for_twice_and_not_shown(ostiary: Shell) -> None:
    """The typed password makes the account and never stands on the screen."""
    code, shown = typed(
        ostiary, ("account", "create", "alice"), ("Password:", GOOD_PASSWORD), ("Password again:", GOOD_PASSWORD)
    )
    assert (code, "Created alice" in shown, GOOD_PASSWORD in shown) == (0, True, False)


def test_two_different_passwords_change_nothing(ostiary: Shell) -> None:
    """A slip in one of the two answers is told, and nothing is made."""
    code, shown = typed(
        ostiary, ("account", "create", "alice"), ("Password:", GOOD_PASSWORD), ("Password again:", "something else")
    )
    assert (code, "differ" in shown) == (1, True)
    assert list(ostiary.folder.iterdir()) == []


@pytest.mark.parametrize(("answer", "code", "left"), [("n", 1, 1), ("", 1, 1), ("y", 0, 0)])
def test_deleting_asks(ostiary: Shell, add: Add, answer: str, code: int, left: int) -> None:
    """Only a yes deletes."""
    add("alice")
    done, shown = typed(ostiary, ("account", "delete", "alice"), ("[y/N]", answer))
    assert (done, "Delete alice" in shown) == (code, True)
    assert len(ostiary("account", "list", "--json").json["accounts"]) == left


@pytest.mark.parametrize(
    ("arguments", "prompt"), [(("account", "create", "bob"), "Password:"), (("account", "delete", "alice"), "[y/N]")]
)
def test_a_question_is_left_with_one_ctrl_c(ostiary: Shell, add: Add, arguments: tuple[str, ...], prompt: str) -> None:
    """Ctrl-C at a prompt ends the command at once, with nothing changed and no traceback; once is enough."""
    account = add("alice")
    code, shown = typed(ostiary, arguments, (prompt, CTRL_C))
    assert (code, "Traceback" in shown) == (130, False)
    assert ostiary("account", "list", "--json").json["accounts"] == [account]


def test_tables_are_for_people_on_a_terminal(ostiary: Shell, add: Add) -> None:
    """On a terminal a list is a table, and an empty one is a sentence."""
    add("alice")
    code, shown = typed(ostiary, ("account", "list"))
    assert (code, "\t" in shown, "alice" in shown) == (0, False, True)
    assert "No live sessions." in typed(ostiary, ("session", "list"))[1]
