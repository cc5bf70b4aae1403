"""What administrators look for: disabled accounts, and live sessions of one kind, from indexes alone."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    disabled, open_ones = sa.text("disabled"), sa.text("ended_at IS NULL")
    op.create_index("accounts_disabled", "accounts", ["id"], sqlite_where=disabled, postgresql_where=disabled)
    op.drop_index("sessions_open", "sessions")
    op.create_index(
        "sessions_open",
        "sessions",
        ["idle_expires_at", "everything", "kind"],
        sqlite_where=open_ones,
        postgresql_where=open_ones,
    )
