"""The first schema: accounts, sessions, throttles, signing keys, audit trail, issuer, revocation log.

Text is compared by code point in every database, because ids are sorted and user names are searched by range.
Instants are doubles and digests are bytes, so that they come back exactly as they went in.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
COUNT = sa.BigInteger()
INSTANT: sa.Double[float] = sa.Double()
BYTES = sa.LargeBinary()
POSITION = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # AUTOINCREMENT is for INTEGER only


def upgrade() -> None:
    _people()
    _sessions()
    _secrets()
    _trail()
    _log()


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, COUNT, nullable=False)


def _instant(name: str) -> sa.Column[float]:
    return sa.Column(name, INSTANT, nullable=False)


def _id() -> sa.Column[str]:
    return sa.Column("id", TEXT, primary_key=True, nullable=False)


def _index(name: str, table: str, *columns: str, unique: bool = False, where: str = "") -> None:
    condition = sa.text(where) if where else None
    op.create_index(name, table, list(columns), unique=unique, sqlite_where=condition, postgresql_where=condition)


def _people() -> None:
    op.create_table(
        "accounts",
        _id(),
        _text("username"),
        _text("username_key"),
        _text("password_hash"),
        sa.Column("display_name", TEXT),
        sa.Column("email", TEXT),
        _text("roles"),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        _number("epoch"),
        _instant("created_at"),
        _instant("password_changed_at"),
        _number("revision"),
        sa.Column("email_folded", TEXT),
        sa.Column("enabled_admin", sa.Boolean(), nullable=False),
    )
    _index("accounts_username_key", "accounts", "username_key", unique=True)
    _index("accounts_search_username", "accounts", "username_key", "id")
    _index("accounts_search_email", "accounts", "email_folded", "id", where="email_folded IS NOT NULL")
    _index("accounts_enabled_admin", "accounts", "id", where="enabled_admin")
    op.create_table(
        "issuers", _id(), _number("everything"), _instant("lease"), _instant("created_at"), _number("revision")
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        _id(),
        _text("account_id"),
        _text("kind"),
        _text("transport"),
        _instant("created_at"),
        _instant("auth_time"),
        _instant("last_seen_at"),
        _instant("idle_lifetime"),
        _instant("expires_at"),
        _number("everything"),
        sa.Column("remembered", sa.Boolean(), nullable=False),
        _number("version"),
        _text("audience"),
        sa.Column("scope", TEXT),
        _text("client_id"),
        _text("client_label"),
        _text("client_ip"),
        _text("binding"),
        sa.Column("token_digest", BYTES),
        _instant("credential_expires_at"),
        sa.Column("ended_at", INSTANT),
        sa.Column("end_reason", TEXT),
        _number("revision"),
        sa.Column("refresh_generation", COUNT),
        sa.Column("refresh_digest", BYTES),
        sa.Column("refresh_rotated_at", INSTANT),
        sa.Column("refresh_previous_digest", BYTES),
        sa.Column("refresh_nonce", BYTES),
        sa.Column("refresh_floor", COUNT),
        _instant("idle_expires_at"),
    )
    _index("sessions_token_digest", "sessions", "token_digest", unique=True, where="token_digest IS NOT NULL")
    _index("sessions_of_account", "sessions", "account_id", "id", where="ended_at IS NULL")
    _index("sessions_of_kind", "sessions", "kind", "id", where="ended_at IS NULL")
    _index("sessions_open", "sessions", "idle_expires_at", "everything", where="ended_at IS NULL")
    _index("sessions_ended", "sessions", "ended_at", where="ended_at IS NOT NULL")


def _secrets() -> None:
    op.create_table(
        "throttles",
        _id(),
        _number("failures"),
        _instant("last_failure_at"),
        _instant("window_started_at"),
        _number("revision"),
        sqlite_with_rowid=False,
    )
    _index("throttles_last_failure", "throttles", "last_failure_at")
    op.create_table(
        "signing_keys",
        _id(),
        _text("algorithm"),
        _text("state"),
        _text("public_jwk"),
        sa.Column("sealed", BYTES, nullable=False),
        _instant("created_at"),
        sa.Column("activated_at", INSTANT),
        sa.Column("retiring_at", INSTANT),
        sa.Column("ended_at", INSTANT),
        _number("revision"),
    )


def _trail() -> None:
    op.create_table(
        "audit_events",
        _id(),
        _instant("at"),
        _text("event"),
        sa.Column("account_id", TEXT),
        sa.Column("session_id", TEXT),
        sa.Column("actor", TEXT),
        _text("client_ip"),
        _text("client_label"),
        _text("detail"),
        _number("revision"),
    )
    _index("audit_events_of_account", "audit_events", "account_id", "id", where="account_id IS NOT NULL")
    _index("audit_events_of_session", "audit_events", "session_id", "id", where="session_id IS NOT NULL")
    _index("audit_events_of_event", "audit_events", "event", "id")
    _index("audit_events_at", "audit_events", "at", "event")


def _log() -> None:
    """Positions grow in commit order: in SQLite because one transaction writes at a time; in PostgreSQL because they
    are counted in a row that whoever appends holds until the commit. A sequence would skip what commits late."""
    on_sqlite = op.get_context().dialect.name == "sqlite"
    moment = sa.DateTime(timezone=True)
    counter: list[sa.Column[Any]] = (
        [] if on_sqlite else [_number("position"), sa.Column("made_at", moment, nullable=False)]
    )
    op.create_table(
        "revocation_logs",
        sa.Column("id", COUNT, primary_key=True, autoincrement=False),
        _number("generation"),
        *counter,
    )
    op.create_table(
        "revocations",
        sa.Column("position", POSITION, primary_key=True, autoincrement=on_sqlite),
        _number("nonce"),
        _text("scope"),
        _text("entry_id"),
        _number("value"),
        _instant("until"),
        sqlite_autoincrement=True,  # a position is never given twice, not even after a purge
    )
    _index("revocations_until", "revocations", "until")
    if not on_sqlite:
        op.create_table(  # in SQLite's case the operating system knows them
            "nodes", _id(), sa.Column("seen_at", moment, nullable=False), _number("acknowledged")
        )
        # which secret key the first node came with
        op.create_table(
            "secret_keys", sa.Column("id", COUNT, primary_key=True, autoincrement=False), _text("fingerprint")
        )
        # several nodes share it and are upgraded one after the other: the oldest code that may still work with it
        op.create_table("schema_floors", sa.Column("id", COUNT, primary_key=True, autoincrement=False), _text("oldest"))
