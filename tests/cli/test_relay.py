"""`ostiary relay`: what it refuses to start with, what it measures, and that it says no secret (M-02)."""

import hashlib
import json
import re
import signal
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Shell
from tests.scenario.elsewhere import get, running
from tests.servers.ports import free_port

from ostiary import jose
from ostiary.cli.shell import USAGE

DIGEST = hashlib.sha256(b"ost_cs_far").hexdigest()
GOOD = {
    "--issuer": "https://id.example", "--client": "cli_a", "--client-secret-file": "secret", "--followers": "followers",
}  # fmt: skip


def arguments(**changes: str | None) -> list[str]:
    """The usual ones but for some; None leaves one out."""
    given = {**GOOD, **{f"--{name.replace('_', '-')}": value for name, value in changes.items()}}
    return ["relay", *(part for name, value in given.items() if value is not None for part in (name, value))]


@pytest.fixture
def shell(ostiary: Shell) -> Shell:
    """With the files that a relay reads."""
    (ostiary.folder / "secret").write_text("ost_cs_own\n")
    (ostiary.folder / "empty").write_text("\n")
    (ostiary.folder / "followers").write_text(f"far {DIGEST}\n")
    public = json.dumps(jose.Key.generate("ES256").public().to_jwk())
    (ostiary.folder / "public").write_text(public)
    (ostiary.folder / "keyed").write_text(f'far {{"keys":[{public}]}}\n')
    (ostiary.folder / "wrong").write_text("far ost_cs_far\n")
    return ostiary


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"issuer": None}, 2, "issuer"),
        ({"followers": None}, 2, "followers"),
        ({"issuer": "http://id.example"}, 1, "https"),
        ({"issuer": "nonsense"}, 1, "issuer"),
        ({"upstream": "http://relay.example"}, 1, "https"),
        ({"client_secret_file": "none"}, 1, "cannot be read"),
        ({"client_secret_file": "empty"}, 1, "no secret"),
        ({"client_secret_file": None}, 2, "either"),
        ({"client_key_file": "key"}, 2, "either"),
        ({"client_secret_file": None, "client_key_file": "none"}, 1, "cannot be read"),
        ({"client_secret_file": None, "client_key_file": "secret"}, 1, "no private key"),
        ({"client_secret_file": None, "client_key_file": "public"}, 1, "no private key"),
        ({"audience": "nonsense"}, 1, "audience"),
        ({"followers": "keyed"}, 1, "--audience"),
        ({"followers": "none"}, 1, "cannot be read"),
        ({"followers": "empty"}, 1, "Nobody"),
        ({"followers": "wrong"}, 1, "Line 1"),
        ({"metrics_bind": "9102"}, 1, "address and a port"),
        ({"metrics_bind": "127.0.0.1:x"}, 1, "address and a port"),
        ({"host": "192.0.2.1"}, 1, "cannot be listened on"),
    ],
)
def test_what_it_does_not_start_with(shell: Shell, changes: dict[str, str | None], code: int, words: str) -> None:
    """One line says what is wrong, with the exit code of its kind, and no secret."""
    done = shell(*arguments(**changes))
    assert (done.code, words in done.err) == (code, True), done.err
    assert "Traceback" not in done.err
    assert "ost_cs" not in done.err
    assert code != USAGE or "usage" in done.err


def test_it_starts_without_its_issuer_measures_and_stops_in_peace(shell: Shell) -> None:
    """`/readyz` is 503 until it has a lease; `/metrics` is on a port of its own; SIGTERM ends it with 0."""
    port, metrics = free_port(), free_port()
    program = [str(Path(sys.executable).with_name("ostiary"))]
    program += arguments(issuer=f"http://127.0.0.1:{free_port()}", port=str(port), metrics_bind=f"127.0.0.1:{metrics}")
    with running(program, f"http://127.0.0.1:{port}", shell.folder, ready="/healthz") as relay:
        assert get(f"{relay.url}/readyz").json()["failing"] == ["revocation"]
        assert get(f"{relay.url}/metrics").status_code == 404
        answer = get(f"http://127.0.0.1:{metrics}/metrics")
        assert answer.status_code == 200, relay.said
        text = answer.content.decode()
        assert re.search(r"^ostiary_relay_lease_left_seconds 0\.0$", text, re.MULTILINE)
        assert 'ostiary_relay_questions_total{outcome="failed"}' in text
        refused = r'^ostiary_http_requests_total{method="GET",path="/readyz",status="503"} 1\.0$'
        assert re.search(refused, text, re.MULTILINE)
        relay.process.send_signal(signal.SIGTERM)
        assert relay.process.wait(60) == 0
        assert "ost_cs" not in relay.said
        assert "Traceback" not in relay.said
