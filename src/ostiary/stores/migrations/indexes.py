"""Indexes on tables that may be large by now.

PostgreSQL lets nobody write to a table while it builds an index on it, unless it builds it *concurrently*, which no
transaction can hold. So these are built before the upgrade's transaction, under a name of their own, and take their
place in it (`ostiary.stores.postgres.indexes`). Where the operator has partitioned a table, that is done for each part,
and the index that the transaction makes of them finds them all, and builds none. What they are built on must have been
there before the upgrade.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """One that a revision puts in place, of that name; on PostgreSQL it may have been built as `ahead` before."""

    revision: str
    name: str
    table: str
    columns: tuple[str, ...]
    where: str

    @property
    def ahead(self) -> str:
        """What it is called until the revision is applied."""
        return f"{self.name}_{self.revision}"

    @property
    def definition(self) -> str:
        """What follows `ON` and the schema in `CREATE INDEX`."""
        return f"{self.table} {self.what}"

    @property
    def what(self) -> str:
        """What follows the table's name, whichever part of the table that is."""
        return f"({', '.join(self.columns)}) WHERE {self.where}"

    def put(self) -> None:
        """For `upgrade` of a revision; what had the name before is dropped already."""
        import sqlalchemy as sa  # whoever only opens a store needs neither, and they take a quarter of a second
        from alembic import op

        if op.get_context().dialect.name == "sqlite":
            condition = sa.text(self.where)
            op.create_index(self.name, self.table, list(self.columns), sqlite_where=condition)
            return
        op.execute(f"ALTER INDEX IF EXISTS {self.ahead} RENAME TO {self.name}")
        op.execute(f"CREATE INDEX IF NOT EXISTS {self.name} ON {self.definition}")
