"""The one place that names concrete classes.

`open_system` runs services without HTTP, as the command line does; `Ostiary` adds the ASGI application, and is loaded
on first use: a command need not wait for a web framework.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ostiary.compose.stores import open_store, other_half, schema_of
from ostiary.compose.system import System, open_system

if TYPE_CHECKING:
    from ostiary.compose.application import Ostiary as Ostiary

__all__ = ["Ostiary", "System", "open_store", "open_system", "other_half", "schema_of"]


def __getattr__(name: str) -> Any:
    if name == "Ostiary":
        return import_module("ostiary.compose.application").Ostiary
    raise AttributeError(f"module 'ostiary.compose' has no attribute {name!r}")
