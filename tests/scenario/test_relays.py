"""A relay between the issuer and verifiers, and one behind it: each a process of its own, without a database."""

import hashlib
import json
import signal
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import GOOD_PASSWORD, Shell
from tests.scenario.elsewhere import Got, Process, get, running
from tests.servers.ports import free_port

from ostiary import jose
from ostiary.verifier import CredentialRefused, Unavailable, Verifier
from ostiary.verifier.issuer_client import ClientKey

API = "https://api.example"
PROGRAM = str(Path(sys.executable).with_name("ostiary"))
SECRETS = {"far": "ost_cs_far"}
KEY = jose.Key.generate("ES256")
"""Of the second relay, and of a service behind it."""


@dataclass
class Region:
    """An issuer, a relay that follows it, and one that follows the relay, by a key. `relays[i].url` stays when it is
    killed."""

    issuer: Process
    folder: Path
    relays: list[Process]
    arguments: list[list[str]]

    def log_in(self) -> str:
        """A token for the API, and for ending itself."""
        body = {
            "username": "ada", "password": GOOD_PASSWORD, "kind": "stateless", "transport": "bearer",
            "audience": [API, self.issuer.url],
        }  # fmt: skip
        answer = get(
            f"{self.issuer.url}/v1/login",
            {"Content-Type": "application/json"}, method="POST", body=json.dumps(body).encode(),
        )  # fmt: skip
        assert answer.status_code == 200, answer.content
        return str(answer.json()["access_token"])

    def log_out(self, token: str, query: str = "") -> Any:
        """Its report."""
        answer = get(f"{self.issuer.url}/v1/logout{query}", {"Authorization": f"Bearer {token}"}, method="POST")
        assert answer.status_code == 200, answer.content
        return answer.json()

    def restart(self, number: int) -> Any:
        """A context in which a killed relay runs again, where it was."""
        return running(self.arguments[number], self.relays[number].url, self.folder)


def ask(relay: Process, query: str = "", *, name: str = "far", secret: str = "") -> Got:
    pair = b64encode(f"{name}:{secret or SECRETS[name]}".encode()).decode()
    return get(f"{relay.url}/v1/revocations{query}", {"Authorization": f"Basic {pair}"})


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, Path]]:
    folder = tmp_path_factory.mktemp("region")
    shell = Shell(folder=folder)
    made = shell("account", "create", "ada", "--password-stdin", stdin=GOOD_PASSWORD)
    assert made.code == 0, made.err
    created = shell("client", "create", "relay", "--json").json
    (folder / "client").write_text(created["client"]["id"])
    (folder / "secret").write_text(created["client_secret"] + "\n")
    (folder / "next-key").write_text(json.dumps(KEY.to_jwk(private=True)))
    lines = [f"{name} {hashlib.sha256(secret.encode()).hexdigest()}" for name, secret in SECRETS.items()]
    lines += [f"{name} {json.dumps({'keys': [KEY.public().to_jwk()]})}" for name in ("next", "keyed")]
    (folder / "followers").write_text("\n".join(lines))
    port = free_port()
    names = {"OSTIARY_AUDIENCES": API}
    with running([PROGRAM, "serve", "--port", str(port)], f"http://127.0.0.1:{port}", folder, **names) as server:
        yield server, folder


@pytest.fixture
def region(issuer: tuple[Process, Path]) -> Iterator[Region]:
    server, folder = issuer
    near, far = free_port(), free_port()
    common = [PROGRAM, "relay", "--issuer", server.url, "--followers", str(folder / "followers")]
    first = [*common, "--client", (folder / "client").read_text(), "--client-secret-file", str(folder / "secret")]
    first += ["--port", str(near), "--audience", f"http://127.0.0.1:{near}"]
    second = [*common, "--client", "next", "--client-key-file", str(folder / "next-key"), "--port", str(far)]
    second += ["--upstream", f"http://127.0.0.1:{near}", "--audience", f"http://127.0.0.1:{far}"]
    with (
        running(first, f"http://127.0.0.1:{near}", folder) as one,
        running(second, f"http://127.0.0.1:{far}", folder) as two,
    ):
        yield Region(server, folder, [one, two], [first, second])


@contextmanager
def verifying(region: Region, relay: int = 1) -> Iterator[Verifier]:
    """A service behind this relay."""
    verifier = Verifier(
        issuer=region.issuer.url, audience=API, client=("far", SECRETS["far"]),
        feed_uri=f"{region.relays[relay].url}/v1/revocations",
    )  # fmt: skip
    try:
        yield verifier
    finally:
        verifier._revocations.stop_blocking()  # type: ignore[union-attr]


def outcome(verifier: Verifier, token: str) -> str:
    """accepted, refused or unknown."""
    try:
        verifier.verify_sync(token)
    except CredentialRefused:
        return "refused"
    except Unavailable:
        return "unknown"
    return "accepted"


def until(happened: Callable[[], bool], within: float = 60.0) -> None:
    deadline = time.monotonic() + within
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def answered(relay: Process, query: str = "", *, name: str = "far", secret: str = "") -> Any:
    """What it says once it has a lease."""
    answers: list[Got] = []

    def knows() -> bool:
        answers.append(ask(relay, query, name=name, secret=secret))
        return answers[-1].status_code == 200

    until(knows)
    return answers[-1].json()


def last_accepted(verifier: Verifier, token: str) -> float:
    """When it was asked the last time that it said yes."""
    latest = float("-inf")
    while True:
        asked_at = time.monotonic()
        if outcome(verifier, token) != "accepted":
            return latest
        latest = asked_at


def test_what_is_ended_is_refused_behind_two_relays(region: Region) -> None:
    """M-30: within the bound that the call answered; with `?wait=all` at once. M-02: nothing there has a database."""
    with verifying(region) as verifier:
        for query in ("", "?wait=all"):
            token, other = region.log_in(), region.log_in()
            until(lambda token=token: outcome(verifier, token) == "accepted")  # type: ignore[misc]
            report = region.log_out(token, query)
            answered = time.monotonic()
            assert last_accepted(verifier, token) <= answered + report["bound"]
            until(lambda token=token: outcome(verifier, token) == "refused")  # type: ignore[misc]
            until(lambda other=other: outcome(verifier, other) == "accepted")  # type: ignore[misc]
            assert report["bound"] == (0.0 if query else 2.0)


def test_a_service_follows_a_relay_by_its_key(region: Region) -> None:
    """M-02, M-30: what its key signs counts at that relay alone, and once; what is ended is refused."""
    relay = region.relays[1].url
    how = {
        "issuer": region.issuer.url,
        "audience": API,
        "client": ("keyed", KEY),
        "feed_uri": f"{relay}/v1/revocations",
    }
    verifier = Verifier(**how, feed_audience=relay)  # type: ignore[arg-type]
    token = region.log_in()
    until(lambda: outcome(verifier, token) == "accepted")
    region.log_out(token, "?wait=all")
    assert outcome(verifier, token) != "accepted"
    until(lambda: outcome(verifier, token) == "refused")
    verifier._revocations.stop_blocking()  # type: ignore[union-attr]
    meant_for_the_issuer = Verifier(**how)  # type: ignore[arg-type]
    assert outcome(meant_for_the_issuer, region.log_in()) == "unknown"
    meant_for_the_issuer._revocations.stop_blocking()  # type: ignore[union-attr]

    def asked(proof: str) -> int:
        return get(f"{relay}/v1/revocations", {"Authorization": proof}).status_code

    proof = ClientKey("keyed", KEY).header(relay, time.time())
    assert asked(proof) in (200, 503)  # it has a lease, or will have one
    assert asked(proof) == 401


def test_wait_for_all_is_true_each_time(region: Region) -> None:
    """M-33: when it answers, a service behind two relays refuses, whatever came in between."""
    with verifying(region) as verifier:
        for _ in range(30):
            token = region.log_in()
            until(lambda token=token: outcome(verifier, token) == "accepted")  # type: ignore[misc]
            region.log_out(token, "?wait=all")
            assert outcome(verifier, token) != "accepted"


@pytest.mark.parametrize("number", [0, 1])
def test_behind_a_stopped_relay_nothing_is_accepted_for_longer_than_the_bound(region: Region, number: int) -> None:
    """M-30: a relay that hangs is silent, and its followers lose their leases, counted from what it knew; when it goes
    on, so do they. A refusal that is known stays one."""
    with verifying(region) as verifier:
        token, other, ended = region.log_in(), region.log_in(), region.log_in()
        until(lambda: outcome(verifier, ended) == "accepted")
        region.log_out(ended, "?wait=all")
        until(lambda: outcome(verifier, token) == "accepted")
        stopped = region.relays[number].process
        stopped.send_signal(signal.SIGSTOP)
        try:
            bound = region.log_out(token)["bound"]
            answered = time.monotonic()
            assert last_accepted(verifier, token) <= answered + bound
            until(lambda: outcome(verifier, other) == "unknown")
            assert outcome(verifier, ended) == "refused"
        finally:
            stopped.send_signal(signal.SIGCONT)
        until(lambda: outcome(verifier, other) == "accepted")
        until(lambda: outcome(verifier, token) == "refused")


def test_wait_for_all_waits_out_a_follower_that_cannot_be_reached(region: Region) -> None:
    """M-33: the relay says that all is applied only when its followers have, or have no lease any more."""
    with verifying(region) as verifier:
        token = region.log_in()
        until(lambda: outcome(verifier, token) == "accepted")
        region.relays[1].process.send_signal(signal.SIGSTOP)
        try:
            region.log_out(token, "?wait=all")
            assert outcome(verifier, token) != "accepted"
        finally:
            region.relays[1].process.send_signal(signal.SIGCONT)


def test_a_relay_that_was_killed_comes_back_and_its_followers_go_on(region: Region) -> None:
    """M-30: what was ended meanwhile is refused, what was not is accepted; a follower also goes on at the issuer's
    own feed, and at another relay, from where it was."""
    with verifying(region, 0) as verifier:
        token, other = region.log_in(), region.log_in()
        until(lambda: outcome(verifier, token) == "accepted")
        cursor = answered(region.relays[0])["cursor"]
        region.relays[0].kill()
        region.log_out(token)
        with region.restart(0):
            until(lambda: outcome(verifier, token) == "refused")
            until(lambda: outcome(verifier, other) == "accepted")
            client, secret = ((region.folder / name).read_text().strip() for name in ("client", "secret"))
            at_issuer = answered(region.issuer, f"?cursor={cursor}", name=client, secret=secret)
            at_relays = [answered(relay, f"?cursor={cursor}&fresh=1") for relay in region.relays]
            for answer in at_relays:
                assert answer["matches"]
                assert answer["generation"] == at_issuer["generation"]
                assert answer["items"] == at_issuer["items"] != []


def test_a_relay_that_stops_ends_in_peace_and_is_still_waited_for(region: Region) -> None:
    """M-33: its followers keep their leases, so it says no goodbye that would be a lie."""
    with verifying(region, 0) as verifier:
        token = region.log_in()
        until(lambda: outcome(verifier, token) == "accepted")
        region.relays[0].process.terminate()
        assert region.relays[0].process.wait(60) == 0
        region.log_out(token, "?wait=all")
        assert outcome(verifier, token) != "accepted"


def test_a_relay_says_how_it_is(region: Region) -> None:
    """`/healthz` and `/readyz`: 503 without a lease. Without an issuer it answers nobody, 503 with Retry-After, and
    never 401 to those whom it knows (section 6)."""
    answers: list[Got] = []

    def is_ready() -> bool:
        answers.append(get(f"{region.relays[0].url}/readyz"))
        return answers[-1].status_code == 200

    until(is_ready)
    assert answers[-1].json()["failing"] == []
    assert 0 < answers[-1].json()["lease_left"] <= 2.0
    region.relays[0].kill()
    until(lambda: get(f"{region.relays[1].url}/readyz").status_code == 503)
    assert get(f"{region.relays[1].url}/healthz").status_code == 200
    answer = ask(region.relays[1])
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert ask(region.relays[1], secret="wrong").status_code == 401
    for secret in (*SECRETS.values(), (region.folder / "secret").read_text().strip()):
        assert secret not in region.relays[1].said + region.relays[0].said
