"""What a scope may look like (RFC 6749 section 3.3)."""

from ostiary import limits


def is_scope_token(text: str) -> bool:
    """One of its words: printable ASCII without spaces, quotes and backslashes, and of a length that fits."""
    return 0 < len(text) <= limits.SCOPE_CHARS and all("!" <= char <= "~" and char not in '"\\' for char in text)


def read_scope(text: str) -> tuple[str, ...] | None:
    """Its words, each once, one space between them; none for an empty text. None if it is no scope, or has too many."""
    words = tuple(dict.fromkeys(text.split(" "))) if text else ()
    return words if len(words) <= limits.SCOPES_PER_TOKEN and all(map(is_scope_token, words)) else None
