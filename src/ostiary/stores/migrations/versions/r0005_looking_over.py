"""What administrators look for: disabled accounts, and live sessions of one kind, from indexes alone."""

from alembic import op

from ostiary.stores.migrations.indexes import Index

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

DISABLED = Index(revision=revision, name="accounts_disabled", table="accounts", columns=("id",), where="disabled")
OPEN = Index(
    revision=revision,
    name="sessions_open",
    table="sessions",
    columns=("idle_expires_at", "everything", "kind"),
    where="ended_at IS NULL",
)
INDEXES = (DISABLED, OPEN)


def upgrade() -> None:
    DISABLED.put()
    op.drop_index(OPEN.name, OPEN.table)
    OPEN.put()
