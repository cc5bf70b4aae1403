"""Where log lines of a serving process go: stderr, as text on a terminal and as one JSON object a line elsewhere."""

import logging
import sys
from typing import Any

import msgspec

from ostiary.cli.output import instant, printable

_QUIET = ("uvicorn.access",)
_WARNINGS_ONLY = ("uvicorn.error", "alembic.runtime.plugins")


def configure_logs(form: str) -> None:
    """`form` is the setting `log_format`."""
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler()
    handler.setFormatter(TextLines() if as_text else JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in _WARNINGS_ONLY:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _QUIET:
        logging.getLogger(name).disabled = True


class TextLines(logging.Formatter):
    """`23:05:12 WARNING ostiary.housekeeping: …`, a traceback below where there is one."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


class JsonLines(logging.Formatter):
    """`{"at": …, "level": …, "logger": …, "message": …, "error": …}`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": instant(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()
