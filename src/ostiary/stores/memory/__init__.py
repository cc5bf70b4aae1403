"""The store in this process's own memory: for one process, and gone with it. `store` is the whole, `tables` its parts,
`log` what was revoked."""

from ostiary.stores.memory.store import MemoryStore

__all__ = ["MemoryStore"]
