"""The settings: read once, checked whole, frozen. Contract section 7."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self, get_type_hints
from urllib.parse import urlsplit

import msgspec

from ostiary import limits
from ostiary.settings import readers as read
from ostiary.settings.checks import Row, Setting, check, is_loopback, misconfigured, warnings_of
from ostiary.settings.sources import gather
from ostiary.stores import postgres_url
from ostiary.stores.postgres_url import PostgresUrl
from ostiary.stores.valkey_url import without_passwords

SIGNATURE_ALGORITHMS = (
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("HS256", "HS384", "HS512"),
)
STARS = "********"

_duration = read.duration()
_origins = read.many(read.origin)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting, in its final form: durations are seconds, lists are tuples, URLs have no slash at their end.

    ``Settings(...)`` takes them directly, ``Settings.load()`` from file, environment and flags; both raise
    ``Misconfigured`` with all problems at once.
    """

    # --- Where it listens and what it is called ---------------------------------------------------------------------
    host: Annotated[str, Setting(read.text(read.listen_host), "Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Setting(read.integer(1, 65_535), "TCP port to listen on.")] = 8000
    workers: Annotated[int, Setting(read.integer(1, 1024), "Processes that serve.")] = 1
    issuer: Annotated[
        str, Setting(read.text(read.issuer), "URL that tokens name as `iss`; by default made of host and port.")
    ] = ""
    allowed_hosts: Annotated[
        tuple[str, ...],
        Setting(read.many(read.host_and_maybe_port), "`Host` headers that are answered; by default the issuer's."),
    ] = ()
    metrics_bind: Annotated[
        str | None,
        Setting(
            read.optional(read.text(read.host_and_port)),
            "`host:port` of a listener of its own for /metrics; worker n takes the nth port after it.",
        ),
    ] = None
    metrics_token: Annotated[
        bytes | None,
        Setting(read.optional(read.secret()), "Bearer token with which /metrics may be read here.", secret=True),
    ] = None
    log_format: Annotated[
        str, Setting(read.choice("auto", "text", "json"), "Form of log lines; `auto` is text on a terminal.")
    ] = "auto"

    # --- Where it keeps things ----------------------------------------------------------------------------------------
    database: Annotated[str, Setting(read.text(read.database), "`sqlite:///path`, `postgresql://…` or `memory:`.")] = (
        "sqlite:///ostiary.db"
    )
    valkey: Annotated[
        str | None,
        Setting(
            read.optional(read.text(read.valkey)),
            "Valkey: `valkey://host:6379`, `valkeys://`, `valkey+sentinel://host,host/service`, `valkey+cluster://`. "
            "Keeps everything, or beside a `database` that is set sessions, failed logins and revocations.",
        ),
    ] = None
    secret_key: Annotated[
        bytes | None,
        Setting(
            read.optional(read.secret()),
            "Encrypts private keys at rest, peppers digests: 32 bytes or more, the same on every node. By default a "
            "file beside the database.",
            secret=True,
        ),
    ] = None

    # --- How long things live -----------------------------------------------------------------------------------------
    access_token_lifetime: Annotated[float, Setting(_duration, "Life of a stateless access token.")] = 300.0
    stateful_token_lifetime: Annotated[float, Setting(_duration, "Life of a stateful access token.")] = 900.0
    session_idle_lifetime: Annotated[float, Setting(_duration, "A session ends after this long without a request.")] = (
        1800.0
    )
    session_lifetime: Annotated[float, Setting(_duration, "A session ends this long after its login.")] = 43_200.0
    remember_lifetime: Annotated[float, Setting(_duration, "Life of a session with `remember`.")] = 2_592_000.0
    refresh_idle_lifetime: Annotated[float, Setting(_duration, "A refresh token dies after this long unused.")] = (
        604_800.0
    )
    refresh_lifetime: Annotated[float, Setting(_duration, "Refreshing ends this long after the login.")] = 2_592_000.0
    refresh_grace: Annotated[
        float, Setting(read.duration(zero=True), "The preceding refresh token gets the same successor for this long.")
    ] = 10.0
    one_time_lifetime: Annotated[float, Setting(_duration, "Life of a one-time token.")] = 120.0
    reauthentication_window: Annotated[
        float, Setting(_duration, "The password must have been proven this recently for changes of weight.")
    ] = 300.0
    lease: Annotated[
        float,
        Setting(read.duration(0.1, maximum=3600.0), "How long a node may trust what it last heard of revocations."),
    ] = 2.0
    clock_leeway: Annotated[
        float, Setting(read.duration(zero=True, maximum=600.0), "Tolerated for `nbf` and `iat`, never for `exp`.")
    ] = 30.0

    # --- Accounts and attempts ----------------------------------------------------------------------------------------
    registration: Annotated[str, Setting(read.choice("open", "closed"), "Whether anyone may sign up.")] = "open"
    password_min_length: Annotated[
        int,
        Setting(
            read.integer(limits.PASSWORD_CHARS_MIN, limits.PASSWORD_CHARS), "Characters of a new password, at least."
        ),
    ] = 15
    max_sessions: Annotated[
        int, Setting(read.integer(1, 10_000), "Live sessions of one account; one more ends the oldest.")
    ] = 20
    login_free_failures: Annotated[
        int, Setting(read.integer(1, 1_000_000), "Failed logins of one account before it has to wait.")
    ] = 5
    login_max_delay: Annotated[float, Setting(_duration, "The longest wait after failed logins.")] = 900.0
    login_hard_limit: Annotated[
        int, Setting(read.integer(1, 1_000_000), "Failed logins in a row that close an account to passwords.")
    ] = 100
    address_failures: Annotated[
        int, Setting(read.integer(1, 1_000_000_000), "Failed logins of one network (/24, /56) in 10 minutes.")
    ] = 30
    address_signups: Annotated[
        int,
        Setting(read.integer(0, 1_000_000_000), "Sign-ups of one network (/24, /56) in an hour; 0: as many as come."),
    ] = 1000
    signup_hard_limit: Annotated[
        int, Setting(read.integer(0, 1_000_000_000), "Sign-ups altogether in an hour; 0: as many as come.")
    ] = 10_000
    refreshes_per_minute: Annotated[int, Setting(read.integer(1, 1_000_000), "Refreshes of one session.")] = 120

    # --- Rights -------------------------------------------------------------------------------------------------------
    audiences: Annotated[
        tuple[str, ...], Setting(read.many(read.audience), "Services that tokens may be issued for, beside the issuer.")
    ] = ()
    role_scopes: Annotated[
        dict[str, tuple[str, ...]], Setting(read.scopes_of_roles(), "What each role grants: role to list of scopes.")
    ] = {}

    # --- Tokens -------------------------------------------------------------------------------------------------------
    signing_algorithm: Annotated[
        str,
        Setting(read.choice(*SIGNATURE_ALGORITHMS), "Algorithm of new signing keys (RFC 7518, RFC 8037, RFC 9864)."),
    ] = "ES256"
    signing_key_lifetime: Annotated[
        float,
        Setting(
            read.duration(zero=True),
            "A key signs for this long, then the next one, which is published long before. 0: only `key rotate`.",
        ),
    ] = 7_776_000.0
    encrypt_stateless: Annotated[
        bool, Setting(read.truth(), "Whether stateless tokens are encrypted: then this issuer alone can read them.")
    ] = False
    status_lists: Annotated[
        bool,
        Setting(read.truth(), "Whether stateless tokens name a bit of a public status list (`GET /status-lists/{n}`)."),
    ] = False
    binding: Annotated[
        str,
        Setting(
            read.choice("off", "observe", "step-up", "end"),
            "What a session's move to another place causes.",
        ),
    ] = "off"
    dpop_nonce: Annotated[
        str,
        Setting(read.choice("required", "off"), "Whether DPoP proofs at login and refresh need our nonce (RFC 9449)."),
    ] = "required"

    # --- Browsers and proxies -----------------------------------------------------------------------------------------
    cookie_secure: Annotated[
        bool, Setting(read.truth(), "False drops `__Host-` and Secure: development over plain http on another host.")
    ] = True
    csrf_token: Annotated[
        str, Setting(read.choice("off", "session"), "Whether cookie-borne changes also need `X-CSRF-Token`.")
    ] = "off"  # noqa: S105 - a choice
    cors_origins: Annotated[tuple[str, ...], Setting(_origins, "Origins whose scripts may read our answers.")] = ()
    trusted_origins: Annotated[tuple[str, ...], Setting(_origins, "Origins whose changes pass the CSRF rule.")] = ()
    issuer_path: Annotated[
        str,
        Setting(
            read.choice("either", "kept", "stripped"),
            "Whether a proxy keeps the issuer's path in the address of a request, or strips it.",
        ),
    ] = "either"
    trusted_proxies: Annotated[
        tuple[str, ...], Setting(read.many(read.network), "Networks that are believed about `X-Forwarded-*`.")
    ] = ()

    # --- Not settings: how they came about ----------------------------------------------------------------------------
    sources: dict[str, str] = {}
    """Where each value came from, by setting: `default`, the file, the variable, the flag."""
    warnings: tuple[str, ...] = ()
    """What an operator should read at every start, one sentence each."""

    @classmethod
    def load(
        cls,
        *,
        flags: Mapping[str, object] | None = None,
        config: Path | str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Self:
        """Defaults, then the file (``config``, `OSTIARY_CONFIG` or ./ostiary.toml), then the environment, then flags.

        ``environ`` is the process's own if not given. Raises ``Misconfigured`` with every problem that there is.
        """
        path = Path(config) if config is not None else None
        found = gather(TABLE, flags=flags or {}, config=path, environ=environ)
        values, problems = check(TABLE, found.raw, found.sources)
        if found.problems or problems:
            raise misconfigured([*found.problems, *problems])
        return cls(**{name: values[name] for name in found.raw}, sources=found.sources, warnings=tuple(found.warnings))

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in TABLE}
        values, problems = check(TABLE, given, self.sources)
        if problems:
            raise misconfigured(problems)
        sources = {name: self.sources.get(name, _origin_of(name, given[name])) for name in TABLE}
        warnings = tuple(dict.fromkeys((*self.warnings, *warnings_of(TABLE, values))))
        for name, value in {**values, "sources": sources, "warnings": warnings}.items():
            msgspec.structs.force_setattr(self, name, value)

    def __repr__(self) -> str:
        chosen = (f"{name}={value!r}" for name, value in self.shown().items() if self.sources[name] != "default")
        return f"Settings({', '.join(chosen)})"

    def __rich_repr__(self) -> Any:
        yield from self.shown().items()

    def shown(self) -> dict[str, Any]:
        """Every setting by name, fit to be shown: secrets, and passwords in URLs, as stars."""
        shown = {
            name: STARS if row.setting.secret and getattr(self, name) is not None else getattr(self, name)
            for name, row in TABLE.items()
        }
        database = postgres_url.shown(self.database) if self.postgres else self.database
        return {**shown, "database": database, "valkey": self.valkey and without_passwords(self.valkey)}

    @property
    def postgres(self) -> PostgresUrl | None:
        """Where the PostgreSQL store is; ``None`` if there is none."""
        return postgres_url.parse(self.database) if postgres_url.is_postgres(self.database) else None

    @property
    def database_path(self) -> Path | None:
        """The SQLite file; ``None`` if there is none."""
        if self.all_in_valkey:
            return None
        return Path(self.database.removeprefix("sqlite:///")) if self.database.startswith("sqlite:///") else None

    @property
    def all_in_valkey(self) -> bool:
        """True if Valkey is set and no database is: then it keeps the accounts as well."""
        return self.valkey is not None and self.sources["database"] == "default"

    @property
    def in_memory(self) -> bool:
        """True if everything is gone when the process ends."""
        return self.database == "memory:" and not self.all_in_valkey

    @property
    def issuer_is_loopback(self) -> bool:
        """True if only this machine can reach the issuer."""
        return is_loopback(urlsplit(self.issuer).hostname or "")

    @property
    def issuer_origin(self) -> str:
        """Scheme, host and port of the issuer: what a browser sends as `Origin`."""
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"


def _origin_of(name: str, value: object) -> str:
    return "default" if value == TABLE[name].default else "argument"


def _rows() -> dict[str, Row]:
    hints = get_type_hints(Settings, include_extras=True)
    defaults = {field.name: field for field in msgspec.structs.fields(Settings)}
    rows = {}
    for name, hint in hints.items():
        for setting in getattr(hint, "__metadata__", ()):
            default = {} if name == "role_scopes" else defaults[name].default
            rows[name] = Row(name, default, setting)
    return rows


TABLE: Mapping[str, Row] = _rows()
"""Every setting by name, in the order of the class: made once from its annotations."""
