"""The JSON Schema of `ostiary.toml`: for editors, and for checking a file before a start."""

from typing import Any

from ostiary.settings.checks import Row
from ostiary.settings.record import TABLE


def file_schema() -> dict[str, Any]:
    """JSON Schema (2020-12)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Ostiary settings",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _schema_of(row) for name, row in TABLE.items()},
    }


def _schema_of(row: Row) -> dict[str, Any]:
    default = list(row.default) if isinstance(row.default, tuple) else row.default
    known = {} if default is None or default == "" else {"default": default}
    return {"description": row.setting.about, **row.setting.reader.schema, **known}
