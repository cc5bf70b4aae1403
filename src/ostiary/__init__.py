"""Ostiary: login state for Python.

The public names, nothing else. They are resolved on first use, so that ``from ostiary import jose`` costs
`cryptography` and `msgspec` and not a web server.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ostiary.version import __version__ as __version__

if TYPE_CHECKING:
    from ostiary import jose as jose
    from ostiary.compose import Ostiary as Ostiary
    from ostiary.domain.account import Account as Account
    from ostiary.domain.caller import Caller as Caller
    from ostiary.errors import OstiaryError as OstiaryError
    from ostiary.revocation.freshness import stale as stale
    from ostiary.settings import Settings as Settings

__all__ = ["Account", "Caller", "Ostiary", "OstiaryError", "Settings", "jose", "stale"]

_HOMES = {
    "Account": "ostiary.domain.account",
    "Caller": "ostiary.domain.caller",
    "Ostiary": "ostiary.compose",
    "OstiaryError": "ostiary.errors",
    "Settings": "ostiary.settings",
    "stale": "ostiary.revocation.freshness",
}


def __dir__() -> list[str]:
    """With what is not resolved yet, for whoever completes names."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name == "jose":
        return import_module("ostiary.jose")
    if name in _HOMES:
        try:
            return getattr(import_module(_HOMES[name]), name)
        except ModuleNotFoundError as missing:
            if str(missing.name).startswith("ostiary"):
                raise
            message = f"ostiary.{name} needs {missing.name}: pip install 'ostiary[server]'"
            raise ImportError(message, name=missing.name) from missing
    raise AttributeError(f"module 'ostiary' has no attribute {name!r}")
