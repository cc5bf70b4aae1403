"""The store in Valkey. `store` is the whole, `parts` its look-ups, `records` what lies under a key, `scripts` what
happens atomically, `lanes` how commands travel, `topology` where to."""

from ostiary.stores.valkey.store import ValkeyStore

__all__ = ["ValkeyStore"]
