"""What administrators look through, in the order that they expect: sessions by when they were last seen, accounts by
name."""

from alembic import op

from ostiary.stores.migrations.indexes import Index

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ADMINS = Index(
    revision=revision,
    name="accounts_enabled_admin",
    table="accounts",
    columns=("username_key",),
    where="enabled_admin",
)
DISABLED = Index(
    revision=revision, name="accounts_disabled", table="accounts", columns=("username_key",), where="disabled"
)
SEEN = Index(
    revision=revision,
    name="sessions_seen",
    table="sessions",
    columns=("everything", "kind", "last_seen_at", "id"),
    where="ended_at IS NULL",
)
INDEXES = (ADMINS, DISABLED, SEEN)


def upgrade() -> None:
    op.drop_index("accounts_search_username", "accounts")  # the unique index has that order
    for index in (ADMINS, DISABLED):
        op.drop_index(index.name, index.table)
        index.put()
    SEEN.put()
