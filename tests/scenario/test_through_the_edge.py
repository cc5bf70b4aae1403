"""M-60, M-61: a browser's cookie at nginx, a token for the service behind, another token for the service behind that:
five processes, of which one has a store. What ends the login ends all of it."""

from collections.abc import Iterator

import httpx2
import pytest
from tests.cli.conftest import GOOD_PASSWORD
from tests.proxies.conftest import SESSION, nginx_file, program
from tests.scenario.elsewhere import running
from tests.scenario.test_service_to_service import FORGED, FRONT, Services, services, wait_for
from tests.servers.ports import free_port

__all__ = ["services"]


@pytest.fixture(scope="module")
def edge(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """nginx by the file in `examples/`, in front of the service in front; its address."""
    folder, port = tmp_path_factory.mktemp("edge"), free_port()
    path = nginx_file(port, services.server.url, services.front.rstrip("/"), folder)
    shown = path.read_text()
    host = services.server.url.removeprefix("http://")
    for written, here in (("https://notes.example.com", FRONT), ("Host $host;", f"Host {host};")):
        assert written in shown
        shown = shown.replace(written, here)
    path.write_text(shown)
    url = f"http://127.0.0.1:{port}"
    with running([program("nginx"), "-e", f"{folder}/error.log", "-c", str(path)], url, folder, ready=""):
        yield url


def log_in(services: Services) -> tuple[str, str]:
    """As a browser does: the account's id, and the `Cookie` header."""
    body = {"username": "ada", "password": GOOD_PASSWORD}
    with httpx2.Client(base_url=services.server.url, trust_env=False, timeout=30) as browser:
        answer = browser.post("/v1/login", json=body)
        assert answer.status_code == 200, answer.text
        line = next(line for line in answer.headers.get_list("set-cookie") if line.startswith(SESSION))
        return answer.json()["account"]["id"], line.split(";")[0]


def test_the_whole_way_and_its_end(services: Services, edge: str) -> None:
    """The service at the end knows the user and who acts, whatever else the client claims; after a logout nobody
    answers for that cookie, and a new login goes the whole way again."""
    with httpx2.Client(base_url=edge, trust_env=False, timeout=30) as browser:
        assert browser.get("/").status_code == 401
        assert browser.get("/", headers=FORGED).status_code == 401
        account, cookie = log_in(services)
        answer = browser.get("/", headers={"Cookie": cookie, **FORGED})
        assert (answer.status_code, answer.json()["notes_of"]) == (200, account)
        assert [actor[:4] for actor in answer.json()["by_way_of"]] == ["cli_"]
        ended = services.server.call("POST", "/v1/logout", token=cookie.partition("=")[2])
        assert (ended[0], ended[1]["ended"]) == (200, 1)
        wait_for(lambda: browser.get("/", headers={"Cookie": cookie}).status_code == 401)
        assert browser.get("/", headers={"Cookie": log_in(services)[1]}).status_code == 200


def test_a_role_that_is_taken_away(services: Services, edge: str) -> None:
    """M-30: with the role goes the scope: the same cookie is known at the edge, and refused at the end of the way."""
    with httpx2.Client(base_url=edge, trust_env=False, timeout=30) as browser:
        _, cookie = log_in(services)
        assert browser.get("/", headers={"Cookie": cookie}).status_code == 200
        assert services.shell("account", "set-roles", "ada", "--role", "admin").code == 0
        try:
            wait_for(lambda: browser.get("/", headers={"Cookie": cookie}).status_code == 403)
        finally:
            assert services.shell("account", "set-roles", "ada", "--role", "user").code == 0
