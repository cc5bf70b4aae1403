"""`ostiary config show|schema`."""

from typing import Annotated

from cyclopts import Parameter

from ostiary.cli.app import noun
from ostiary.cli.options import HERE, AlwaysJson, Json, Where
from ostiary.cli.output import duration, plain, say_json, say_table
from ostiary.settings.file_schema import file_schema

app = noun("config")


@app.command
def show(
    *,
    where: Where = HERE,
    changed: Annotated[bool, Parameter(negative=(), help="Only what is not a default.")] = False,
    json: Json = False,
) -> None:
    """Show every setting, its value and where it comes from. Secrets are stars."""
    settings = where.settings()
    rows = [
        (name, value, settings.sources[name])
        for name, value in settings.shown().items()
        if not changed or settings.sources[name] != "default"
    ]
    if json:
        members = {name: {"value": plain(value), "source": source} for name, value, source in rows}
        say_json({"settings": members, "warnings": settings.warnings})
        return
    say_table(("setting", "value", "from"), [(n, _shown(v), s) for n, v, s in rows], empty="Everything is a default.")


@app.command
def schema(*, json: AlwaysJson = False) -> None:  # noqa: ARG001
    """Print the JSON Schema of ostiary.toml, for editors and for checking before a start."""
    say_json(file_schema())


def _shown(value: object) -> object:
    if isinstance(value, float):
        return duration(value)
    if isinstance(value, dict):
        return "; ".join(f"{role}: {' '.join(scopes)}" for role, scopes in value.items())
    return value
