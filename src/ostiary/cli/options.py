"""Options that many commands share, and the settings that follow from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter, validators

from ostiary import limits
from ostiary.cli.output import warn
from ostiary.settings import Settings

_STORE = Group("Store", sort_key=10)


@Parameter(name="*", group=_STORE)
@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which store a command touches."""

    database: Annotated[
        str | None,
        Parameter(help="sqlite:///path (four slashes: from the root), postgresql://user@host/name or memory:"),
    ] = None
    valkey: Annotated[
        str | None,
        Parameter(help="valkey://host:port (also valkeys, +sentinel, +cluster): keeps all but what --database does."),
    ] = None
    config: Annotated[Path | None, Parameter(help="Settings file; by default ostiary.toml if there is one.")] = None

    def settings(self, flags: Mapping[str, object] | None = None, *, quiet: bool = False) -> Settings:
        """File, environment and flags together; says its warnings on stderr. Raises ``Misconfigured``."""
        flags = {"database": self.database, "valkey": self.valkey, **(flags or {})}
        settings = Settings.load(flags=flags, config=self.config)
        for line in () if quiet else settings.warnings:
            warn(line)
        return settings


HERE = Where()

Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print JSON, as the HTTP API has it.")]
Yes = Annotated[bool, Parameter(name=("--yes", "-y"), negative=(), help="Do not ask.")]
AlwaysJson = Annotated[bool, Parameter(name="--json", negative=(), help="It is JSON anyway.")]
Unasked = Annotated[
    bool, Parameter(name=("--yes", "-y"), negative=(), help="Taken for scripts' sake: nothing is asked.")
]
Wait = Annotated[
    bool,
    Parameter(
        name="--wait", negative=(), help="Come back when no server accepts any more what was ended: one lease at most."
    ),
]
PasswordStdin = Annotated[
    bool,
    Parameter(name="--password-stdin", negative=(), help="Read the password from stdin (one newline at its end goes)."),
]
Kid = Annotated[str, Parameter(allow_leading_hyphen=True)]
"""A key's id. A thumbprint is base64url: one in 64 begins with a hyphen."""
Limit = Annotated[
    int, Parameter(validator=validators.Number(gte=1, lte=limits.PAGE_ROWS), help="Rows to show, at most.")
]
Cursor = Annotated[str, Parameter(help="Go on here: what the page before called `next`.")]
