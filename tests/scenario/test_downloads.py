"""An application gives a link away; another server, which shares no database with it, honours it once (M-62).

Auth server and download servers are processes of their own. Nothing is shared but public keys.
"""

import hashlib
import os
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import pytest
from tests.cli.conftest import Shell
from tests.scenario.elsewhere import FILES, Got, Issuer, Process, get, handing_out, issuing, running
from tests.servers import valkey
from tests.servers.ports import free_port

CONTENT = bytes(range(256)) * 8192


def told(content: bytes) -> tuple[int, str]:
    """What a failure can print of it."""
    return len(content), hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    """One for all tests here."""
    with issuing(tmp_path_factory.mktemp("issuer")) as running_issuer:
        yield running_issuer


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The download servers' files."""
    root = tmp_path_factory.mktemp("files") / "root"
    (root / "reports").mkdir(parents=True)
    (root / "reports/第三季度.pdf").write_bytes(CONTENT)
    (root / "page.html").write_text("<script>document.title = 'run'</script>")
    return root


@pytest.fixture(scope="module")
def server(issuer: Issuer, root: Path) -> Iterator[Process]:
    """One on a file."""
    with handing_out(root, issuer.server.url, state=root.parent / "spent.db") as process:
        yield process


def first(server: Process, token: str, resource: str = "reports/第三季度.pdf") -> Got:
    """The first request, not followed."""
    return get(f"{server.url}/files/{resource}?token={token}")


def followed(server: Process, answer: Got) -> Got:
    """The transfer."""
    return get(f"{server.url}{answer.headers['location']}")


def test_the_story(issuer: Issuer, server: Process) -> None:
    """Issued here, honoured there, once; after the logout of whoever asked, too, since it was promised before."""
    token = issuer.token("reports/第三季度.pdf")
    answer = first(server, token)
    assert answer.status_code == 303
    assert told(followed(server, answer).content) == told(CONTENT)
    assert first(server, token).json()["code"] == "already_used"
    assert followed(server, answer).json()["code"] == "already_used"
    assert first(server, issuer.token("page.html")).json()["code"] == "wrong_resource"
    assert first(server, token + "x").json()["code"] == "invalid_token"
    assert first(server, issuer.log_in()["access_token"]).json()["code"] == "invalid_token"
    assert first(server, issuer.log_in(kind="stateless")["access_token"]).json()["code"] == "invalid_token"
    assert token not in server.said
    assert answer.headers["location"].split("/")[2] not in server.said


def test_fifty_at_once(issuer: Issuer, server: Process) -> None:
    """One of fifty parallel requests is sent on, over real connections."""
    token = issuer.token("page.html")
    with ThreadPoolExecutor(50) as pool:
        statuses = list(pool.map(lambda _: first(server, token, "page.html").status_code, range(50)))
    assert sorted(statuses) == [303] + [410] * 49


def test_killed_between_spending_and_answering(issuer: Issuer, root: Path) -> None:
    """What was spent stays spent, though its owner got nothing for it: never the other way round."""
    state, port = root.parent / "dying.db", free_port()
    script = str(Path(__file__).with_name("dying_download_server.py"))
    token = issuer.token("page.html")
    arguments = [sys.executable, script, str(root), issuer.server.url, FILES, str(state), str(port)]
    with running(arguments, f"http://127.0.0.1:{port}", root.parent) as dying:
        with pytest.raises((ConnectionError, HTTPException)):
            first(dying, token, "page.html")
        assert dying.process.wait(30) == -9
    with handing_out(root, issuer.server.url, state=state) as server:
        assert first(server, token, "page.html").json()["code"] == "already_used"


def test_killed_and_started_again(issuer: Issuer, root: Path) -> None:
    """`kill -9` in the middle of a transfer: the token stays spent, and the transfer goes on where it was."""
    state, port = root.parent / "killed.db", free_port()
    token = issuer.token("reports/第三季度.pdf")
    with handing_out(root, issuer.server.url, state=state, port=port) as server:
        answer = first(server, token)
        location = f"{server.url}{answer.headers['location']}"
        some = get(location, headers={"Range": "bytes=0-999999"}).content
        server.kill()
    with handing_out(root, issuer.server.url, state=state, port=port) as server:
        assert first(server, token).json()["code"] == "already_used"
        rest = get(location, headers={"Range": f"bytes={len(some)}-"})
        assert rest.status_code == 206
        assert told(some + rest.content) == told(CONTENT)
        assert get(location).json()["code"] == "already_used"


def test_broken_off_and_gone_on_with(issuer: Issuer, server: Process) -> None:
    """A client that leaves has not had what waits in the machine's own buffers: 2 MiB fit there, and it may still come
    back for them."""
    answer = first(server, issuer.token("reports/第三季度.pdf"))
    location, port = answer.headers["location"], int(server.url.rpartition(":")[2])
    with socket.socket() as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        wire.connect(("127.0.0.1", port))
        wire.sendall(f"GET {location} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        wire.recv(1)
        # as long as another download takes: by then the server has sent all that it will send unread
        assert followed(server, first(server, issuer.token("page.html"), "page.html")).status_code == 200
    rest = get(f"{server.url}{location}", headers={"Range": "bytes=100000-"})
    assert (rest.status_code, told(rest.content)) == (206, told(CONTENT[100000:]))


def test_two_replicas(issuer: Issuer, root: Path) -> None:
    """They share a Valkey: fifty at once over both have one winner; what one spent the other refuses; a transfer that
    one began the other goes on with, and ends for both."""
    with (
        valkey.server() as backend,
        handing_out(root, issuer.server.url, valkey=backend.url(timeout=30)) as one,
        handing_out(root, issuer.server.url, valkey=backend.url(timeout=30)) as other,
    ):
        for _ in range(3):
            token = issuer.token("reports/第三季度.pdf")
            with ThreadPoolExecutor(50) as pool:
                answers = list(pool.map(lambda n, t=token: first((one, other)[n % 2], t), range(50)))  # type: ignore[misc]
            assert sorted(answer.status_code for answer in answers) == [303] + [410] * 49
            location = next(answer.headers["location"] for answer in answers if answer.status_code == 303)
            some = get(one.url + location, headers={"Range": "bytes=0-1234567"}).content
            rest = get(other.url + location, headers={"Range": f"bytes={len(some)}-"}).content
            assert told(some + rest) == told(CONTENT)
            for server in (one, other):
                assert get(server.url + location).json()["code"] == "already_used"
        one.kill()
        assert first(other, token).json()["code"] == "already_used"


def test_the_issuer_may_be_away(issuer: Issuer, root: Path, tmp_path: Path) -> None:
    """Keys that were had once do for the next hour."""
    with issuing(tmp_path) as short:
        token, later = short.token("page.html"), short.token("page.html")
        with handing_out(root, short.server.url, state=tmp_path / "s.db") as server:
            assert first(server, token, "page.html").status_code == 303
            short.server.kill()
            assert first(server, later, "page.html").status_code == 303


def test_memory_stays_flat(issuer: Issuer, root: Path) -> None:
    """A large file goes through in pieces, also to a client that reads slowly: what the server holds of it is bounded.
    `DOWNLOAD_TEST_BYTES` makes it larger: `make test-large`."""
    size = int(os.environ.get("DOWNLOAD_TEST_BYTES", 256 * 2**20))
    with (root / "large.bin").open("wb") as large:
        large.truncate(size)
    with handing_out(root, issuer.server.url, state=root.parent / "large.db") as server:
        assert len(followed(server, first(server, issuer.token("page.html"), "page.html")).content) > 0
        before = peak_memory(server)
        location = first(server, issuer.token("large.bin"), "large.bin").headers["location"]
        port = int(server.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as wire:
            wire.sendall(f"GET {location} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            wire.recv(1)  # and then it does not read for a while: as long as fifty other downloads take
            with ThreadPoolExecutor(10) as pool:
                tokens = [issuer.token("reports/第三季度.pdf") for _ in range(50)]
                lengths = list(pool.map(lambda token: len(followed(server, first(server, token)).content), tokens))
            assert lengths == [len(CONTENT)] * 50
            count, buffer = 1, bytearray(2**20)
            while more := wire.recv_into(buffer):
                count += more
        assert size < count < size + 4096
        assert peak_memory(server) - before < 64 * 2**20


def peak_memory(server: Process) -> int:
    """Bytes."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


def test_curl(issuer: Issuer, server: Process, tmp_path: Path) -> None:
    """HEAD, a whole download by its own name, and one that is broken off and gone on with."""
    import subprocess

    def curl(*arguments: str) -> str:
        done = subprocess.run(
            ["curl", "-sS", "--noproxy", "*", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout + done.stderr

    from urllib.parse import quote

    link = f"{server.url}/files/{quote('reports/第三季度.pdf')}?token="
    url = link + issuer.token("reports/第三季度.pdf")
    assert "content-length: 2097152" in curl("-I", url).lower()
    curl("-L", "-o", "whole.pdf", url)
    assert told((tmp_path / "whole.pdf").read_bytes()) == told(CONTENT)
    assert "410" in curl("-o", "/dev/null", "-w", "%{http_code}", url)
    location = curl("-o", "/dev/null", "-w", "%{redirect_url}", link + issuer.token("reports/第三季度.pdf"))
    curl("--max-filesize", "1", "-o", "none", location)
    curl("-r", "0-99999", "-o", "part.pdf", location)
    curl("-C", "-", "-o", "part.pdf", location)
    assert told((tmp_path / "part.pdf").read_bytes()) == told(CONTENT)
    assert "410" in curl("-o", "/dev/null", "-w", "%{http_code}", location)


def test_the_command(issuer: Issuer, server: Process, tmp_path: Path) -> None:
    """`ostiary download`: saves the file under its own name, refuses a second time with 1, says no token, asks nobody
    for a link that is mailed, and exits 2 and 3 as the contract has it."""
    shell = Shell(folder=tmp_path)
    token = issuer.token("reports/第三季度.pdf")
    link = f"{server.url}/files/reports/第三季度.pdf?token={token}"
    done = shell("download", link)
    assert (done.code, told((tmp_path / "第三季度.pdf").read_bytes())) == (0, told(CONTENT))
    assert "2.0 MiB of 2.0 MiB" in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["第三季度.pdf"]
    again = shell("download", link, "--output", "again.pdf")
    assert (again.code, "already_used" in again.err) == (1, True)
    there = shell("download", link)
    assert (there.code, "--force" in there.err) == (2, True)
    mailed = shell(
        "download",
        f"{server.url}/files/page.html",
        "--token-stdin",
        "-o",
        "-",
        stdin=issuer.token("page.html", confirm=True),
    )
    assert (mailed.code, mailed.out) == (0, "<script>document.title = 'run'</script>")
    other = shell("download", f"{server.url}/files/page.html?token={issuer.token('nope.txt')}")
    assert (other.code, "wrong_resource" in other.err) == (1, True)
    for wrong in ("ftp://x/y?token=1", "nonsense", f"{server.url}/files/page.html"):
        assert shell("download", wrong).code == 2, wrong
    away = shell("download", f"http://127.0.0.1:{free_port()}/files/a?token=x")
    assert away.code == 3
    for said in (done, again, there, mailed, other, away):
        assert token not in said.out + said.err
        assert "Traceback" not in said.err
