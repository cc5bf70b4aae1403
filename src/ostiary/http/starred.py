"""What holds a secret prints it as stars: what is printed is logged sooner or later, and collectors of errors keep the
representation of everything that a failing function held."""

from typing import Any

from msgspec import UNSET, Struct

SECRETS = frozenset(
    {
        "access_token",
        "client_secret",
        "csrf_token",
        "current_password",
        "new_password",
        "password",
        "refresh_token",
        "token",
        "url",  # of a download: it holds the token
    }
)


class Starred(Struct, frozen=True):
    """The base of requests and answers with such members."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        shown = [(name, getattr(self, name)) for name in self.__struct_fields__]
        return [(name, "***" if name in SECRETS and value not in (None, UNSET) else value) for name, value in shown]
