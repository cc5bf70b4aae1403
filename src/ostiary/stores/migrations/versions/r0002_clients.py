"""Clients, and what may be used only once."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "clients",
        sa.Column("id", TEXT, primary_key=True, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("secret_digest", sa.LargeBinary()),
        sa.Column("jwks", TEXT),
        sa.Column("grants", TEXT, nullable=False),
        sa.Column("audiences", TEXT, nullable=False),
        sa.Column("targets", TEXT, nullable=False),
        sa.Column("scopes", TEXT, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "spent",
        sa.Column("id", TEXT, primary_key=True, nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("spent_until", "spent", ["until"])
