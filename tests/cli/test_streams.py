"""Where the command line's input and output go, and what it does where they go nowhere."""

import json
import subprocess
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
