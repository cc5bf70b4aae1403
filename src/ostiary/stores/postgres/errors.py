"""The driver's errors as ours. Nothing of what a caller sent leaves in them: only names, codes and the operating
system's words."""

import asyncpg

from ostiary.errors import InvalidRequest, Misconfigured, OstiaryError, Unavailable

FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
"""All that the driver raises when it was used as it should be."""
WORTH_ANOTHER_TRY = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""The server undid the whole transaction for the sake of another one."""

_FOR_THE_OPERATOR = {
    "28000": "PostgreSQL refuses this user: look at pg_hba.conf and at the role.",
    "28P01": "PostgreSQL refuses the user name or the password.",
    "3D000": "The PostgreSQL database does not exist: make it, or name another one.",
    "3F000": "The PostgreSQL schema does not exist and may not be made by this role: make it for it.",
    "42501": "The PostgreSQL role lacks a right that it needs: it must own the schema, or be granted CREATE and USAGE.",
    "25006": "This PostgreSQL server is a standby or read-only: name the primary.",
}


def translated(error: BaseException) -> OstiaryError:
    """While serving: a value that cannot be stored, or else trouble."""
    if isinstance(error, OstiaryError):
        return error
    state = getattr(error, "sqlstate", None) or ""
    if state.startswith("22") or state == "54000":  # data exceptions; a text too long for an index
        return InvalidRequest("A text or a number cannot be stored.", private=_private(error))
    return Unavailable(private=_private(error))


def while_opening(error: BaseException) -> OstiaryError:
    """What the operator has to mend, or what may pass."""
    if isinstance(error, OstiaryError):
        return error
    message = _FOR_THE_OPERATOR.get(getattr(error, "sqlstate", None) or "")
    if isinstance(error, asyncpg.ClientConfigurationError | ValueError):
        message = f"The PostgreSQL URL cannot be used: {error}"
    if message is not None:
        return Misconfigured(message, private=_private(error))
    return Unavailable("PostgreSQL cannot be reached.", private=_private(error))


def is_read_only(error: BaseException) -> bool:
    """A standby, or a primary that has become one."""
    return getattr(error, "sqlstate", None) == "25006"


def _private(error: BaseException) -> str:
    state = getattr(error, "sqlstate", None)
    if state:
        return f"postgres: {state} {type(error).__name__}"
    if isinstance(error, OSError) and error.strerror:
        return f"postgres: {type(error).__name__}: {error.strerror}"
    return f"postgres: {type(error).__name__}"
