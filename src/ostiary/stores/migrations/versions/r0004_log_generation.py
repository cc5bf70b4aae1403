"""Which revocation log the issuer's record was made for."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("issuers", sa.Column("log_generation", sa.BigInteger(), nullable=False, server_default="0"))
