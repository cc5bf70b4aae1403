"""What a node says of itself, for whoever looks at all of them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_context().dialect.name != "sqlite":  # there it stands in the servers' own files
        op.add_column("nodes", sa.Column("description", sa.Text()))
