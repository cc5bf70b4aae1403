"""What a request says about itself. Pure."""

from ostiary.downloads import pages
from ostiary.downloads.answers import Scope
from ostiary.downloads.conditions import one
from ostiary.errors import MethodNotAllowed


def method_of(scope: Scope, *allowed: str) -> str:
    """Raises MethodNotAllowed."""
    method: str = scope["method"]
    if method not in allowed:
        raise MethodNotAllowed(", ".join(allowed))
    return method


def is_prefetch(scope: Scope) -> bool:
    """A browser guesses what will be clicked next, and nobody has clicked yet."""
    return any(
        name in (b"sec-purpose", b"purpose", b"x-moz", b"x-purpose") and b"prefetch" in value.lower()
        for name, value in scope["headers"]
    )


def language_of(scope: Scope) -> str:
    """Of the pages that a person sees here."""
    return pages.language_of(one(scope["headers"], b"accept-language") or "")


def page_language(scope: Scope) -> str | None:
    """The language of the page that a browser gets instead of problem details; None for everybody else."""
    accepts = one(scope["headers"], b"accept") or ""
    return language_of(scope) if "text/html" in accepts else None
