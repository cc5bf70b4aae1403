"""Where the command line's input and output go, and what it does where they go nowhere."""

import array
import fcntl
import json
import signal
import subprocess
import termios
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.cli.conftest import EXECUTABLE, Shell

Add = Callable[..., dict[str, Any]]


def under_shell(ostiary: Shell, command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """What `sh` runs in the folder of the test; `$O` is the executable."""
    return subprocess.run(
        ["sh", "-c", command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=ostiary.folder,
        env=ostiary.environ(O=str(EXECUTABLE), **environ),
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("account list <&-", 0, ""),
        ("account list >&-", 0, ""),
        ("account list <&- >&- 2>&-", 0, ""),
        ("account show nobody 2>&-", 1, ""),
        ("account create bob <&-", 2, "--password-stdin"),
        ("account create bob --password-stdin <&-", 1, "password_rejected"),
        ("account delete alice <&-", 2, "--yes"),
        ("token inspect <&-", 1, ""),
    ],
)
def test_a_stream_may_be_closed(ostiary: Shell, add: Add, command: str, code: int, words: str) -> None:
    """A caller who closes stdin, stdout or stderr gets the exit code that he would get otherwise (contract 7)."""
    add("alice")
    done = under_shell(ostiary, f"$O {command}")
    assert (done.returncode, "internal_error" in done.stderr) == (code, False)
    assert words in done.stderr


@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize("command", ["account list --json", "config schema", "--help", "--version"])
def test_output_that_cannot_be_written_is_told(ostiary: Shell, add: Add, command: str, buffered: str) -> None:
    """Output that a full disk does not take is an error in words, and no exit code 0 (contract 7)."""
    add("alice")
    done = under_shell(ostiary, f"$O {command} > /dev/full", PYTHONUNBUFFERED=buffered)
    assert done.returncode == 1
    assert "(output_lost)" in done.stderr


@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize(("command", "code"), [("account list", 0), ("account show nobody", 1), ("nonsense", 2)])
def test_exit_codes_hold_where_stderr_takes_nothing(
    ostiary: Shell, add: Add, command: str, code: int, buffered: str
) -> None:
    """What cannot be said on stderr, a warning or an error, does not change the exit code (contract 7)."""
    add("alice")
    done = under_shell(ostiary, f"$O {command} 2> /dev/full", PYTHONUNBUFFERED=buffered, OSTIARY_NO_SETTING="1")
    assert done.returncode == code


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_loses_no_character(ostiary: Shell, add: Add, encoding: str) -> None:
    """`--json` says every character whatever stdout's encoding is: with an escape where it has no other way."""
    add("alice", "--display-name", "Zoë 张三")
    shown = under_shell(ostiary, "$O account show alice --json > shown", PYTHONIOENCODING=encoding)
    assert shown.returncode == 0
    raw = (ostiary.folder / "shown").read_bytes().decode(encoding)
    assert json.loads(raw)["account"]["display_name"] == "Zoë 张三"


@pytest.mark.parametrize(
    "arguments",
    [
        ("account", "create", "bob", "--password-stdin"),
        ("account", "import", "-"),
        ("token", "inspect"),
        ("token", "verify"),
    ],
    ids=" ".join,
)
def test_waiting_for_stdin_is_left_with_one_ctrl_c(ostiary: Shell, add: Add, arguments: tuple[str, ...]) -> None:
    """Who began to type what a command reads from stdin, and thinks better of it, presses Ctrl-C once."""
    add("alice")
    process = subprocess.Popen(
        [EXECUTABLE, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ostiary.folder,
        env=ostiary.environ(),
    )
    assert process.stdin is not None
    process.stdin.write(b"x")
    process.stdin.flush()
    given_up = time.monotonic() + 60
    while process.poll() is None and _unread(process.stdin.fileno()) and time.monotonic() < given_up:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=60)
    finally:
        process.kill()
        said = process.communicate()[1]
    assert (process.returncode, said) == (130, b"")


def _unread(pipe: int) -> int:
    """Bytes that nobody has taken out of it yet."""
    counted = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, counted)
    return counted[0]
