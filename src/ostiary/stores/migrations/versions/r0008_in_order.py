"""What administrators look through, in the order that they expect: sessions by when they were last seen, accounts by
name."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("accounts_search_username", "accounts")  # the unique index has that order
    for name, where in (("accounts_enabled_admin", "enabled_admin"), ("accounts_disabled", "disabled")):
        op.drop_index(name, "accounts")
        _index(name, "accounts", ["username_key"], where)
    _index("sessions_seen", "sessions", ["everything", "kind", "last_seen_at", "id"], "ended_at IS NULL")


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
