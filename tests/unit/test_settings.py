"""Settings: what is read from where, which wins, and how a mistake is told."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ostiary.compose.policies import lifetimes_of, throttle_policy_of
from ostiary.domain.session import Lifetimes
from ostiary.domain.throttle import ThrottlePolicy
from ostiary.errors import Misconfigured
from ostiary.settings import Settings, load_or_create_secret_key, secret_key_of
from ostiary.settings.file_schema import file_schema

KEY = "a secret key that is long enough to be one"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test runs in a folder of its own, so that no `ostiary.toml` lies about."""
    monkeypatch.chdir(tmp_path)


def load(**variables: str) -> Settings:
    """Settings of these variables (without their prefix) and nothing else."""
    return Settings.load(environ={f"OSTIARY_{name}": value for name, value in variables.items()})


def refusal(**variables: str) -> str:
    """What is said about these variables."""
    with pytest.raises(Misconfigured) as caught:
        load(**variables)
    return str(caught.value)


# --- Defaults ---------------------------------------------------------------------------------------------------------


def test_defaults_are_the_contracts() -> None:
    """With nothing given, every setting has the value of contract section 7."""
    settings = load()
    assert lifetimes_of(settings) == Lifetimes()
    assert throttle_policy_of(settings) == ThrottlePolicy()
    assert (settings.lease, settings.clock_leeway, settings.reauthentication_window) == (2.0, 30.0, 300.0)
    assert (settings.password_min_length, settings.max_sessions, settings.refreshes_per_minute) == (15, 20, 120)
    assert (settings.signing_algorithm, settings.binding, settings.csrf_token) == ("ES256", "off", "off")
    assert (settings.database, settings.valkey, settings.secret_key) == ("sqlite:///ostiary.db", None, None)
    assert settings.cookie_secure
    assert settings.trusted_proxies == settings.cors_origins == settings.trusted_origins == settings.audiences == ()
    assert (settings.registration, settings.dpop_nonce, settings.encrypt_stateless) == ("open", "required", False)
    assert settings.issuer_path == "either"
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("host", "issuer"),
    [
        ("127.0.0.1", "http://127.0.0.1:9000"),
        ("0.0.0.0", "http://127.0.0.1:9000"),  # noqa: S104 - what is tested
        ("::", "http://127.0.0.1:9000"),
        ("::1", "http://[::1]:9000"),
        ("localhost", "http://localhost:9000"),
    ],
)
def test_issuer_is_made_of_host_and_port(host: str, issuer: str) -> None:
    """Without an issuer it is where the server listens, and a wildcard address is nothing to connect to."""
    settings = load(HOST=host, PORT="9000")
    assert settings.issuer == issuer
    assert settings.allowed_hosts[0] == issuer.removeprefix("http://")
    assert set(settings.allowed_hosts) == {"127.0.0.1:9000", "localhost:9000", "[::1]:9000"}
    assert settings.sources["issuer"] == "default"


# --- Where values come from -------------------------------------------------------------------------------------------


def test_flags_win_over_environment_over_file_over_default(tmp_path: Path) -> None:
    """Precedence is defaults < file < environment < flags, for each setting by itself."""
    Path("ostiary.toml").write_text('lease = 3\nport = 1001\nhost = "localhost"\nsession_lifetime = "8h"\n')
    settings = Settings.load(environ={"OSTIARY_LEASE": "4", "OSTIARY_PORT": "1002"}, flags={"lease": "5", "host": None})
    assert (settings.session_lifetime, settings.port, settings.lease) == (28_800.0, 1002, 5.0)
    assert settings.host == "localhost"
    assert settings.sources["lease"] == "flag --lease"
    assert settings.sources["port"] == "environment OSTIARY_PORT"
    assert settings.sources["session_lifetime"] == "ostiary.toml"
    assert settings.sources["max_sessions"] == "default"


def test_config_argument_wins_over_its_variable(tmp_path: Path) -> None:
    """`--config` names the file, `OSTIARY_CONFIG` if there is none, ./ostiary.toml last."""
    for name, seconds in (("ostiary.toml", 3), ("b.toml", 4), ("c.toml", 5)):
        Path(name).write_text(f"lease = {seconds}\n")
    environ = {"OSTIARY_CONFIG": "b.toml"}
    assert Settings.load(environ={}).lease == 3
    assert Settings.load(environ=environ).lease == 4
    assert Settings.load(environ=environ, config="c.toml").lease == 5


def test_named_file_must_exist() -> None:
    """A file that was asked for and is not there is an error, not a silent default."""
    with pytest.raises(Misconfigured, match=r"nowhere\.toml.*does not exist"):
        Settings.load(environ={}, config="nowhere.toml")


def test_broken_file_is_told_with_its_place_and_without_its_text() -> None:
    """A file that is no TOML is told by line and column; what it holds may be secret and is not repeated."""
    Path("ostiary.toml").write_text('lease = 2\nsecret_key = "hunter2\n')
    with pytest.raises(Misconfigured, match="line 2") as caught:
        Settings.load(environ={})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("lease = 1" + "0" * 400, "lease (c.toml): write at least 0.1 seconds"),
        ("lease = 1" + "0" * 5000, "a number in the file is too long"),
        ("role_scopes = " + "[" * 5000 + "]" * 5000, "nests too deeply"),
    ],
    ids=["beyond a float", "beyond an integer", "brackets"],
)
def test_what_no_parser_takes_is_told(written: str, hint: str) -> None:
    """A number or a nesting beyond what Python takes is a setting that cannot be used, like any other."""
    Path("c.toml").write_text(written)
    with pytest.raises(Misconfigured) as caught:
        Settings.load(environ={}, config="c.toml")
    assert hint in str(caught.value)


@pytest.mark.parametrize("more", [{}, {"ROLE_SCOPES__ADMIN": "notes:read"}])
def test_nesting_in_a_variable_is_told(more: dict[str, str]) -> None:
    """JSON that nests without end is refused with what to write instead, also beside a nested variable."""
    assert "write a table of roles" in refusal(ROLE_SCOPES="[" * 100_000, **more)


def test_a_file_may_begin_with_a_byte_order_mark() -> None:
    """Editors that begin UTF-8 with U+FEFF are understood."""
    Path("c.toml").write_bytes(b"\xef\xbb\xbflease = 3")
    assert Settings.load(environ={}, config="c.toml").lease == 3


def test_a_secret_may_be_any_bytes(tmp_path: Path) -> None:
    """A key that is no text is the same in a variable and in a file, and is never repeated where it is refused."""
    key = b"\xff\x80" * 20
    (tmp_path / "key").write_bytes(key)
    assert load(SECRET_KEY=os.fsdecode(key)).secret_key == load(SECRET_KEY_FILE=str(tmp_path / "key")).secret_key == key
    message = refusal(SECRET_KEY="\ud800" * 40)
    assert "at least 32 random bytes" in message
    assert "ud800" not in message


def test_file_variable_reads_the_file(tmp_path: Path) -> None:
    """`_FILE` reads the value of any setting from a file, without the newline at its end."""
    (tmp_path / "key").write_text(KEY + "\n")
    (tmp_path / "raw").write_bytes(b"\xff" * 40)
    assert load(SECRET_KEY_FILE=str(tmp_path / "key")).secret_key == KEY.encode()
    assert load(SECRET_KEY_FILE=str(tmp_path / "raw")).secret_key == b"\xff" * 40
    assert "cannot be read" in refusal(SECRET_KEY_FILE=str(tmp_path / "nothing"))
    assert "leave one of them out" in refusal(SECRET_KEY=KEY, SECRET_KEY_FILE=str(tmp_path / "key"))


def test_lists_in_the_environment_have_commas() -> None:
    """A list is taken apart at commas; spaces around and repetitions are dropped."""
    settings = load(AUDIENCES="https://notes.example, https://mail.example,https://notes.example")
    assert settings.audiences == ("https://notes.example", "https://mail.example")
    assert load(AUDIENCES="").audiences == ()


def test_nested_variables_and_json_make_one_table() -> None:
    """`role_scopes` may be a TOML table, JSON, or one variable a role, which adds to the other two."""
    Path("ostiary.toml").write_text('[role_scopes]\nadmin = ["a"]\nuser = ["b"]\n')
    assert load(ROLE_SCOPES__ADMIN="notes:read,notes:write").role_scopes == {
        "admin": ("notes:read", "notes:write"),
        "user": ("b",),
    }
    assert load(ROLE_SCOPES='{"Auditor": ["c"]}', ROLE_SCOPES__USER="d").role_scopes == {
        "Auditor": ("c",),
        "user": ("d",),
    }


# --- Values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "seconds"), [("90s", 90), ("5m", 300), ("12h", 43_200), ("30d", 2_592_000), ("0.5", 0.5), ("7", 7)]
)
def test_durations(written: str, seconds: float) -> None:
    """A duration is a number of seconds or a number with a unit."""
    assert load(ACCESS_TOKEN_LIFETIME=written).access_token_lifetime == seconds


@pytest.mark.parametrize("written", ["0", "-1", "5 minutes", "", "nan", "inf", "1e3", "5M", "4000d"])
def test_durations_that_are_none(written: str) -> None:
    """A duration that is not above zero, endless or not understood is refused with an example of a good one."""
    assert '"5m"' in refusal(ACCESS_TOKEN_LIFETIME=written)


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("LEASE", "0.05", "at least 0.1 seconds"),
        ("PASSWORD_MIN_LENGTH", "7", "from 8 to"),
        ("PORT", "0", "from 1 to 65535"),
        ("PORT", "http", "whole number"),
        ("BINDING", "stepup", "step-up"),
        ("CSRF_TOKEN", "on", "off or session"),
        ("REGISTRATION", "true", "open or closed"),
        ("SIGNING_ALGORITHM", "none", "ES256"),
        ("ENCRYPT_STATELESS", "perhaps", "true or false"),
        ("DATABASE", "postgresql://u:pw@h:0/db", "name:port"),
        ("DATABASE", "postgresql://u:pw@h/db?pool_size=0", "from 1 to 1000"),
        ("DATABASE", "postgresql://u:p w@h/db", "percent-encode"),
        ("DATABASE", "postgresql://u:pw@h/db?secret=pw", "parameters may be"),
        ("VALKEY", "http://localhost", "valkey://"),
        ("DATABASE", "ostiary.db", "sqlite:///path"),
        ("DATABASE", "sqlite:///:memory:", "memory:"),
        ("SECRET_KEY", "short", "at least 32"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "10.0.0.0/8"),
        ("TRUSTED_PROXIES", "proxy.internal", "10.0.0.0/8"),
        ("CORS_ORIGINS", "*", "https://app.example.com"),
        ("TRUSTED_ORIGINS", "null", "https://app.example.com"),
        ("TRUSTED_ORIGINS", "https://app.example.com/path", "without a path"),
        ("ALLOWED_HOSTS", "https://a.example", "without a scheme"),
        ("ALLOWED_HOSTS", "*.example.com", "wildcard"),
        ("ISSUER", "auth.example.com", "https://auth.example.com"),
        ("ISSUER", "ftp://auth.example.com", "https://auth.example.com"),
        ("ISSUER", "https://auth.example.com/?a", "without query"),
        ("ISSUER", "https://u:p@auth.example.com", "user name"),
        ("ISSUER", "https://auth.example.com/a/../b", "write a URL"),
        ("ISSUER", "https://auth.example.com//evil.example", "write a URL"),
        ("ROLE_SCOPES", '{"admin": ["a b"]}', "without spaces"),
        ("ROLE_SCOPES", '{"ad min": []}', "role is 1 to 64"),
        ("ROLE_SCOPES", "[1]", "write a table"),
        ("COOKIE_SECURE", "maybe", "true or false"),
        ("METRICS_BIND", "localhost", "host:port"),
        ("HOST", "localhost:8000", "without a port"),
        ("HOST", "[::1]:8000", "without a port"),
        ("HOST", "bücher.example", "a host name or an address"),
        ("HOST", "", "a host name or an address"),
    ],
)
def test_wrong_values_are_told_with_a_better_one(name: str, value: str, hint: str) -> None:
    """A wrong value is refused by name and source with what to write instead, and is not repeated."""
    message = refusal(**{name: value})
    assert message.startswith(f"{name.lower()} (environment OSTIARY_{name})")
    assert hint in message
    assert "\n" not in message


def test_every_worker_has_a_port_for_its_metrics() -> None:
    """The ports that the workers take after `metrics_bind` have to exist."""
    assert load(METRICS_BIND="127.0.0.1:65532", WORKERS="4").workers == 4
    assert "worker 3 takes port 65536" in refusal(METRICS_BIND="127.0.0.1:65533", WORKERS="4")
    assert "metrics_bind" in refusal(METRICS_BIND="[::1]:65535", WORKERS="2")


def test_origins_networks_and_issuer_have_one_form() -> None:
    """Case, default port and slash at the end do not matter; what is stored compares exactly."""
    settings = load(
        ISSUER="HTTPS://Auth.Example.com:443/login/",
        TRUSTED_ORIGINS="https://App.example.com:443,http://localhost:3000",
        TRUSTED_PROXIES="10.0.0.0/8,::1",
    )
    assert settings.issuer == "https://auth.example.com/login"
    assert settings.issuer_origin == "https://auth.example.com"
    assert settings.allowed_hosts == ("auth.example.com",)
    assert settings.trusted_origins == ("https://app.example.com", "http://localhost:3000")
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1/128")


def test_the_issuer_is_no_audience_of_its_own_list() -> None:
    """The issuer is always an audience, so the list holds only the others (a token for it is never internal)."""
    assert load(ISSUER="https://a.example", AUDIENCES="https://a.example,https://b.example").audiences == (
        "https://b.example",
    )


# --- Rules between settings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        ({"SESSION_IDLE_LIFETIME": "2h"}, {"SESSION_LIFETIME": "1h"}),
        ({"REFRESH_IDLE_LIFETIME": "2d"}, {"REFRESH_LIFETIME": "1d"}),
        ({"STATEFUL_TOKEN_LIFETIME": "1h"}, {"REFRESH_LIFETIME": "2s"}),
        ({"REFRESH_IDLE_LIFETIME": "60d"}, {}),
        ({"LOGIN_FREE_FAILURES": "1000"}, {}),
    ],
)
def test_a_lower_limit_above_the_upper_one_is_warned_about(lower: dict[str, str], upper: dict[str, str]) -> None:
    """Nothing is lost where the upper limit comes first: that is said at every start, which goes on."""
    (name,) = lower
    (warning,) = load(**lower, **upper).warnings
    assert warning.startswith(f"{name.lower()} is more than ")


def test_a_default_above_a_chosen_limit_gives_way_silently() -> None:
    """Who chose one of the two has said nothing untrue; the smaller one counts."""
    chosen = load(SESSION_LIFETIME="10m", REFRESH_LIFETIME="1m", LOGIN_HARD_LIMIT="3")
    assert chosen.warnings == ()
    assert lifetimes_of(chosen).session == 600
    policy = throttle_policy_of(chosen)
    assert (policy.free_failures, policy.hard_limit) == (3, 3)


def test_insecure_cookies_are_for_plain_http_and_carry_a_warning() -> None:
    """`cookie_secure = false` is refused where the issuer is https and warned about everywhere else."""
    assert "write true" in refusal(COOKIE_SECURE="false", ISSUER="https://auth.example.com")
    assert any("cookie_secure" in line for line in load(COOKIE_SECURE="no", ISSUER="http://dev.lan").warnings)
    assert any("plain http" in line for line in load(ISSUER="http://dev.lan").warnings)
    assert any("symmetric" in line for line in load(SIGNING_ALGORITHM="HS256").warnings)


# --- Mistakes ---------------------------------------------------------------------------------------------------------


def test_every_problem_is_in_one_message() -> None:
    """File, environment, flags and rules are all checked before anything is said."""
    Path("ostiary.toml").write_text('leese = 2\nport = "x"\n')
    with pytest.raises(Misconfigured) as caught:
        Settings.load(environ={"OSTIARY_BINDING": "x"}, flags={"workers": 3, "database": "memory:", "hots": "a"})
    lines = str(caught.value).splitlines()
    assert lines[0] == "5 settings cannot be used"
    assert any("leese (ostiary.toml)" in line and "did you mean lease?" in line for line in lines)
    assert any("hots (flag --hots)" in line and "did you mean host" in line for line in lines)
    assert any("port (ostiary.toml)" in line for line in lines)
    assert any("binding (environment OSTIARY_BINDING)" in line for line in lines)
    assert any("workers (flag --workers)" in line for line in lines)


def test_unknown_variable_is_a_warning() -> None:
    """The environment is shared with others: an unknown variable is told and does not stop the start."""
    assert load(LEESE="2").warnings == (
        "OSTIARY_LEESE is not a setting: there is no such setting; did you mean lease?",
    )
    assert Settings.load(environ={"PATH": "x", "OSTIARY_CONFIG": ""}).warnings == ()


def test_constructor_checks_as_well() -> None:
    """`Settings(...)` in Python is checked by the same rules and takes the same forms."""
    settings = Settings(database="memory:", lease=0.5, trusted_origins=("https://A.example",))
    assert (settings.lease, settings.trusted_origins) == (0.5, ("https://a.example",))
    assert settings.sources["lease"] == "argument"
    with pytest.raises(Misconfigured, match="lease"):
        Settings(lease=0.0)
    with pytest.raises(AttributeError):
        settings.lease = 1.0  # type: ignore[misc]


# --- Showing ----------------------------------------------------------------------------------------------------------


def test_secrets_print_as_stars() -> None:
    """Neither repr nor what `config show` prints holds the key (flaw class: secret in a log)."""
    settings = load(SECRET_KEY=KEY)
    assert settings.secret_key == KEY.encode()
    for shown in (repr(settings), str(settings), str(settings.shown()), str(list(settings.__rich_repr__()))):
        assert KEY not in shown
        assert "********" in shown


def test_schema_is_valid_and_describes_what_loads() -> None:
    """The JSON Schema is one, names every setting, and accepts and refuses what loading does."""
    schema: dict[str, Any] = json.loads(json.dumps(file_schema()))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == set(Settings().shown())
    assert all(entry["description"] for entry in schema["properties"].values())
    jsonschema.validate({"lease": "2s", "audiences": ["a"], "role_scopes": {"admin": ["a"]}}, schema)
    for wrong in ({"leese": 2}, {"lease": 0.01}, {"lease": "two"}, {"binding": "x"}, {"port": 0}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


# --- The secret key's file --------------------------------------------------------------------------------------------


def test_key_file_is_made_once_and_private(tmp_path: Path) -> None:
    """At first start the key is made beside the database, for its owner alone, and found again afterwards."""
    database = tmp_path / "o.db"
    key = load_or_create_secret_key(database)
    path = tmp_path / "o.db.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(key) >= 32
    assert load_or_create_secret_key(database) == key
    assert load(SECRET_KEY_FILE=str(path)).secret_key == key
    assert [entry.name for entry in tmp_path.iterdir()] == ["o.db.key"]


def test_key_file_readable_by_others_is_refused(tmp_path: Path) -> None:
    """A key that others can read is refused with what to do about it, and is not changed."""
    load_or_create_secret_key(tmp_path / "o.db")
    (tmp_path / "o.db.key").chmod(0o640)
    with pytest.raises(Misconfigured, match="chmod 600"):
        load_or_create_secret_key(tmp_path / "o.db")


def test_short_key_file_is_refused_and_kept(tmp_path: Path) -> None:
    """A damaged key is never replaced: with another one the signing keys could not be opened."""
    path = tmp_path / "o.db.key"
    path.write_bytes(b"short")
    path.chmod(0o600)
    with pytest.raises(Misconfigured, match="shorter"):
        load_or_create_secret_key(tmp_path / "o.db")
    assert path.read_bytes() == b"short"


def test_missing_folder_is_told(tmp_path: Path) -> None:
    """A folder that is not there is a clear refusal, not a traceback."""
    with pytest.raises(Misconfigured, match="does not exist"):
        load_or_create_secret_key(tmp_path / "nowhere" / "o.db")


def test_processes_that_start_at_once_agree_on_the_key(tmp_path: Path) -> None:
    """Of many processes at a first start, all get the same whole key (race)."""
    code = (
        "import sys; from pathlib import Path; from ostiary.settings import load_or_create_secret_key as load\n"
        "sys.stdin.readline(); print(load(Path(sys.argv[1])).hex())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "o.db")]
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    keys = {racer.communicate()[0] for racer in racers}
    assert [racer.returncode for racer in racers] == [0] * 6
    assert len(keys) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["o.db.key"]


def test_key_of_settings(tmp_path: Path) -> None:
    """A key that was set wins; a store in memory has a fresh one each time; a file makes its own."""
    assert secret_key_of(load(SECRET_KEY=KEY)) == KEY.encode()
    memory = load(DATABASE="memory:")
    assert secret_key_of(memory) != secret_key_of(memory)
    on_disk = load(DATABASE=f"sqlite:///{tmp_path}/o.db")
    assert on_disk.database_path == tmp_path / "o.db"
    assert secret_key_of(on_disk) == secret_key_of(on_disk)
