"""The PostgreSQL store. `store` is the whole, `parts` and `log` its look-ups, `batches` and `writing` its writes,
`pool` its connections."""

from ostiary.stores.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
