"""Write `sqlite.sql` anew from the revisions: `python -m ostiary.stores.migrations.snapshot`."""

import sqlite3
from pathlib import Path

from ostiary.stores.migrations import revisions, snapshot_of


def main() -> None:
    """Run every revision on an empty database in memory and keep what it then holds."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    revisions.run(connection, None)
    Path(__file__).with_name("sqlite.sql").write_text(snapshot_of(connection) + ";\n", encoding="utf-8")


if __name__ == "__main__":
    main()
