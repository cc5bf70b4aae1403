"""Live sessions, the most recently seen first."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    open_ones = sa.text("ended_at IS NULL")
    op.create_index(
        "sessions_seen",
        "sessions",
        ["everything", "kind", "last_seen_at", "id"],
        sqlite_where=open_ones,
        postgresql_where=open_ones,
    )
