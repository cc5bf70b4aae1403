CREATE TABLE alembic_version (
version_num VARCHAR(32) NOT NULL,
CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE accounts (
id TEXT NOT NULL,
username TEXT NOT NULL,
username_key TEXT NOT NULL,
password_hash TEXT NOT NULL,
display_name TEXT,
email TEXT,
roles TEXT NOT NULL,
disabled BOOLEAN NOT NULL,
epoch BIGINT NOT NULL,
created_at DOUBLE NOT NULL,
password_changed_at DOUBLE NOT NULL,
revision BIGINT NOT NULL,
email_folded TEXT,
enabled_admin BOOLEAN NOT NULL,
PRIMARY KEY (id)
);

CREATE UNIQUE INDEX accounts_username_key ON accounts (username_key);

CREATE INDEX accounts_search_email ON accounts (email_folded, id) WHERE email_folded IS NOT NULL;

CREATE TABLE issuers (
id TEXT NOT NULL,
everything BIGINT NOT NULL,
lease DOUBLE NOT NULL,
created_at DOUBLE NOT NULL,
revision BIGINT NOT NULL, log_generation BIGINT DEFAULT '0' NOT NULL,
PRIMARY KEY (id)
);

CREATE TABLE sessions (
id TEXT NOT NULL,
account_id TEXT NOT NULL,
kind TEXT NOT NULL,
transport TEXT NOT NULL,
created_at DOUBLE NOT NULL,
auth_time DOUBLE NOT NULL,
last_seen_at DOUBLE NOT NULL,
idle_lifetime DOUBLE NOT NULL,
expires_at DOUBLE NOT NULL,
everything BIGINT NOT NULL,
remembered BOOLEAN NOT NULL,
version BIGINT NOT NULL,
audience TEXT NOT NULL,
scope TEXT,
client_id TEXT NOT NULL,
client_label TEXT NOT NULL,
client_ip TEXT NOT NULL,
binding TEXT NOT NULL,
token_digest BLOB,
credential_expires_at DOUBLE NOT NULL,
ended_at DOUBLE,
end_reason TEXT,
revision BIGINT NOT NULL,
refresh_generation BIGINT,
refresh_digest BLOB,
refresh_rotated_at DOUBLE,
refresh_previous_digest BLOB,
refresh_nonce BLOB,
refresh_floor BIGINT,
idle_expires_at DOUBLE NOT NULL, key_thumbprint TEXT, statuses TEXT,
PRIMARY KEY (id)
);

CREATE UNIQUE INDEX sessions_token_digest ON sessions (token_digest) WHERE token_digest IS NOT NULL;

CREATE INDEX sessions_of_account ON sessions (account_id, id) WHERE ended_at IS NULL;

CREATE INDEX sessions_of_kind ON sessions (kind, id) WHERE ended_at IS NULL;

CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE throttles (
id TEXT NOT NULL,
failures BIGINT NOT NULL,
last_failure_at DOUBLE NOT NULL,
window_started_at DOUBLE NOT NULL,
revision BIGINT NOT NULL,
PRIMARY KEY (id)
)
WITHOUT ROWID;

CREATE INDEX throttles_last_failure ON throttles (last_failure_at);

CREATE TABLE signing_keys (
id TEXT NOT NULL,
algorithm TEXT NOT NULL,
state TEXT NOT NULL,
public_jwk TEXT NOT NULL,
sealed BLOB NOT NULL,
created_at DOUBLE NOT NULL,
activated_at DOUBLE,
retiring_at DOUBLE,
ended_at DOUBLE,
revision BIGINT NOT NULL,
PRIMARY KEY (id)
);

CREATE TABLE audit_events (
id TEXT NOT NULL,
at DOUBLE NOT NULL,
event TEXT NOT NULL,
account_id TEXT,
session_id TEXT,
actor TEXT,
client_ip TEXT NOT NULL,
client_label TEXT NOT NULL,
detail TEXT NOT NULL,
revision BIGINT NOT NULL,
PRIMARY KEY (id)
);

CREATE INDEX audit_events_of_account ON audit_events (account_id, id) WHERE account_id IS NOT NULL;

CREATE INDEX audit_events_of_session ON audit_events (session_id, id) WHERE session_id IS NOT NULL;

CREATE INDEX audit_events_of_event ON audit_events (event, id);

CREATE INDEX audit_events_at ON audit_events (at, event);

CREATE TABLE revocation_logs (
id BIGINT NOT NULL,
generation BIGINT NOT NULL,
PRIMARY KEY (id)
);

CREATE TABLE revocations (
position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
nonce BIGINT NOT NULL,
scope TEXT NOT NULL,
entry_id TEXT NOT NULL,
value BIGINT NOT NULL,
until DOUBLE NOT NULL
);

CREATE INDEX revocations_until ON revocations (until);

CREATE TABLE clients (
id TEXT NOT NULL,
name TEXT NOT NULL,
secret_digest BLOB,
jwks TEXT,
grants TEXT NOT NULL,
audiences TEXT NOT NULL,
targets TEXT NOT NULL,
scopes TEXT NOT NULL,
epoch BIGINT NOT NULL,
created_at DOUBLE NOT NULL,
revision BIGINT NOT NULL,
PRIMARY KEY (id)
);

CREATE TABLE spent (
id TEXT NOT NULL,
until DOUBLE NOT NULL,
revision BIGINT NOT NULL,
PRIMARY KEY (id)
)
WITHOUT ROWID;

CREATE INDEX spent_until ON spent (until);

CREATE INDEX sessions_open ON sessions (idle_expires_at, everything, kind) WHERE ended_at IS NULL;

CREATE INDEX accounts_enabled_admin ON accounts (username_key) WHERE enabled_admin;

CREATE INDEX accounts_disabled ON accounts (username_key) WHERE disabled;

CREATE INDEX sessions_seen ON sessions (everything, kind, last_seen_at, id) WHERE ended_at IS NULL;
