"""The SQLite store. `store` is the whole, `parts` its look-ups, `statements` its writes, `lanes` its threads."""

from ostiary.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
