"""What leaves this store for what went wrong inside or on the way."""

from ostiary.errors import Unavailable


def unavailable(error: Exception) -> Unavailable:
    """The kind of trouble, and no value of ours: of an error reply the first word, of others the type."""
    if isinstance(error, Unavailable):
        return Unavailable(private=error.private)
    word = str(error).partition(" ")[0]
    is_code = word.isupper() and word.isascii() and word.isalpha()
    return Unavailable(private=f"valkey: {word if is_code else type(error).__name__}")
