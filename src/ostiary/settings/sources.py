"""Where settings come from: a TOML file, the environment, flags. Each later one wins over the earlier.

The only reader of the environment.
"""

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ostiary.settings.checks import Problem, Table

PREFIX = "OSTIARY_"
CONFIG_VARIABLE = "OSTIARY_CONFIG"
DEFAULT_FILE = "ostiary.toml"
_NESTED = "__"
_FILE = "_FILE"


@dataclass(slots=True)
class Gathered:
    """Raw values by setting, where each came from, what is wrong already and what is only odd."""

    raw: dict[str, Any] = field(default_factory=dict, repr=False)
    sources: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def take(self, name: str, value: object, source: str) -> None:
        self.raw[name] = value
        self.sources[name] = source


def gather(
    table: Table, *, flags: Mapping[str, object], config: Path | None, environ: Mapping[str, str] | None
) -> Gathered:
    """Everything that was written anywhere. A flag that is ``None`` was not given."""
    environ = os.environ if environ is None else environ  # noqa: TID251 - the one place
    found = Gathered()
    _take_file(found, table, config, environ)
    _take_environment(found, table, environ)
    for name, value in flags.items():
        if value is None:
            continue
        flag = f"--{name.replace('_', '-')}"
        if name in table:
            found.take(name, value, f"flag {flag}")
        else:
            found.problems.append(Problem(name, f"flag {flag}", _unknown(name, table)))
    return found


def _take_file(found: Gathered, table: Table, config: Path | None, environ: Mapping[str, str]) -> None:
    named = config or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    path = named or Path(DEFAULT_FILE)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        if named is not None:
            found.problems.append(Problem("config", str(path), "the file does not exist; name one that does"))
        return
    except OSError as wrong:
        found.problems.append(Problem("config", str(path), f"the file cannot be read ({wrong.strerror})"))
        return
    except tomllib.TOMLDecodeError as wrong:
        found.problems.append(Problem("config", str(path), f"the file is not TOML: {_where(wrong)}"))
        return
    except UnicodeDecodeError:
        found.problems.append(Problem("config", str(path), "the file is not UTF-8 text"))
        return
    except (ValueError, RecursionError):  # a number of thousands of digits, thousands of brackets
        found.problems.append(Problem("config", str(path), "a number in the file is too long, or it nests too deeply"))
        return
    for name, value in content.items():
        if name in table:
            found.take(name, value, str(path))
        else:
            found.problems.append(Problem(name, str(path), _unknown(name, table)))


def _where(wrong: tomllib.TOMLDecodeError) -> str:
    """The parser's words, without the text that it quotes before "(at line 3, column 5)"."""
    _, _, place = str(wrong).rpartition("(at ")
    return f"see {place.rstrip(')')}" if place else "check its syntax"


def _take_environment(found: Gathered, table: Table, environ: Mapping[str, str]) -> None:
    nested: dict[str, dict[str, str]] = {}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
            continue
        source = f"environment {variable}"
        name, _, key = variable.removeprefix(PREFIX).partition(_NESTED)
        name = name.lower()
        if key and name in table and isinstance(table[name].default, dict):
            nested.setdefault(name, {})[key.lower()] = environ[variable]
        elif not key and name in table:
            if environ.get(variable + _FILE):
                found.problems.append(Problem(name, source, f"also set as {variable}{_FILE}; leave one of them out"))
            found.take(name, environ[variable], source)
        elif not key and variable.endswith(_FILE) and name.removesuffix("_file") in table:
            if environ[variable]:
                _take_content(found, name.removesuffix("_file"), Path(environ[variable]), source)
        else:
            found.warnings.append(f"{variable} is not a setting: {_unknown(name, table)}")
    for name, entries in nested.items():
        base = found.raw.get(name, {})
        if isinstance(base, str):
            base = _object_in(base)
        whole = {**base, **entries} if isinstance(base, dict) else base
        found.take(name, whole, f"environment {PREFIX}{name.upper()}{_NESTED}*")


def _object_in(text: str) -> object:
    import json

    try:
        return json.loads(text or "{}")
    except (ValueError, RecursionError):
        return text


def _take_content(found: Gathered, name: str, path: Path, source: str) -> None:
    """What a file holds, without the newline at its end. Bytes that are not text stay bytes: a key may be any."""
    try:
        content = path.read_bytes()
    except OSError as wrong:
        found.problems.append(Problem(name, source, f"the file that it names cannot be read ({wrong.strerror})"))
        return
    content = content.removesuffix(b"\n").removesuffix(b"\r")
    try:
        found.take(name, content.decode(), source)
    except UnicodeDecodeError:
        found.take(name, content, source)


def _unknown(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.lower().replace("-", "_"), list(names), n=1, cutoff=0.5)
    return f"there is no such setting; did you mean {near[0]}?" if near else "there is no such setting; leave it out"


def state_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where this user's programs keep what must outlive them: systemd's, or that of the XDG Base Directory
    Specification."""
    environ = os.environ if environ is None else environ  # noqa: TID251 - the one place
    given = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    base = environ.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "state") / "ostiary"
