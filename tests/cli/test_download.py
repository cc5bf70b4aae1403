"""`ostiary download` against servers that break off, change and lie. With a real download server: tests/scenario."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Shell

from ostiary.cli.byte_progress import ByteProgress, amount
from ostiary.cli.fetching import DownloadRefused, Fetching, NotNow, NotWhole, link_of
from ostiary.cli.shell import Usage

CONTENT = bytes(range(256)) * 4000


def same(path: Path) -> bool:
    """Whether it is the whole file: a failure is not to print it."""
    return path.read_bytes() == CONTENT


ETAG = '"v1"'


@dataclass(slots=True)
class Fickle:
    """A server with one file. `breaks`: after how many bytes each answer ends early, in turn (None: not)."""

    port: int = 0
    breaks: list[int | None] = field(default_factory=list)
    content: bytes = CONTENT
    etag: str = ETAG
    first: int = 303
    location: str = "/transfers/handle/a.bin"
    code: str = ""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)

    @property
    def link(self) -> str:
        """With a token."""
        return f"http://127.0.0.1:{self.port}/files/a.bin?token=s3cr3t.t0k3n.x"


@pytest.fixture
def fickle() -> Iterator[Fickle]:
    """It runs."""
    state = Fickle()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            state.asked.append((self.command, self.path, self.headers.get("Range", "")))
            state.authorizations.add(self.headers.get("Authorization", ""))
            if self.path.startswith("/files/"):
                self.answer(state.first, {"Location": state.location}, b"")
                return
            if state.code:
                self.answer(410, {}, json.dumps({"code": state.code}).encode())
                return
            start = 0
            asked = self.headers.get("Range", "")
            if asked and self.headers.get("If-Range") == state.etag:
                start = int(asked.removeprefix("bytes=").rstrip("-"))
            self.answer(206 if start else 200, {"ETag": state.etag}, state.content[start:], bodies=True)

        def answer(self, status: int, headers: dict[str, str], body: bytes, *, bodies: bool = False) -> None:
            stop = state.breaks.pop(0) if bodies and state.breaks else None
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if stop is None else body[:stop])
            if stop is not None:
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield state
        server.shutdown()
        thread.join(30)


def fetch(fickle: Fickle, target: Path, *, sleep: Callable[[float], None] = lambda _: None) -> None:
    """Without waiting between attempts."""
    Fetching(link_of(fickle.link, None), target, sleep=sleep).to_file()


def test_goes_on_where_the_line_broke(fickle: Fickle, tmp_path: Path) -> None:
    """Three times, each time with the rest only; the token is spent once, in a header, and then forgotten."""
    fickle.breaks = [300_000, 0, 400_000]
    fetch(fickle, tmp_path / "a.bin")
    assert same(tmp_path / "a.bin")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin"]
    assert [asked for asked in fickle.asked if asked[1].startswith("/files/")] == [("GET", "/files/a.bin", "")]
    assert [asked[2] for asked in fickle.asked[1:]] == ["", "bytes=300000-", "bytes=300000-", "bytes=700000-"]
    assert fickle.authorizations == {"Bearer s3cr3t.t0k3n.x", ""}


def test_goes_on_in_a_later_run(fickle: Fickle, tmp_path: Path) -> None:
    """It gives up at last, and says so; the next run of the same command asks for the rest, without the token."""
    fickle.breaks = [500_000, *[0] * 20]
    waited: list[float] = []
    with pytest.raises(NotWhole):
        fetch(fickle, tmp_path / "a.bin", sleep=waited.append)
    assert waited == sorted(waited)
    assert len(waited) >= 3
    kept = tmp_path / "a.bin.part.json"
    assert kept.stat().st_mode & 0o077 == 0
    assert b"s3cr3t" not in kept.read_bytes()
    assert not (tmp_path / "a.bin").exists()
    fickle.breaks, fickle.asked = [], []
    fetch(fickle, tmp_path / "a.bin")
    assert same(tmp_path / "a.bin")
    assert fickle.asked == [("GET", "/transfers/handle/a.bin", "bytes=500000-")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin"]


def test_begins_anew_if_the_file_has_changed(fickle: Fickle, tmp_path: Path) -> None:
    """Never half of one and half of another."""
    fickle.breaks = [300_000]

    def change(_: float) -> None:
        fickle.content, fickle.etag = b"n" * 900_000, '"v2"'

    fetch(fickle, tmp_path / "a.bin", sleep=change)
    assert (tmp_path / "a.bin").read_bytes() == b"n" * 900_000


def test_says_that_it_is_over(fickle: Fickle, tmp_path: Path) -> None:
    """A transfer that ended meanwhile: refused, what was there is kept, and the next run begins with the link."""
    fickle.breaks = [300_000]

    def over(_: float) -> None:
        fickle.code = "already_used"

    with pytest.raises(DownloadRefused) as refused:
        fetch(fickle, tmp_path / "a.bin", sleep=over)
    assert refused.value.code == "already_used"
    assert not (tmp_path / "a.bin.part.json").exists()


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:1/transfers/x/a.bin", "https://evil.example/", "file:///etc/passwd"]
)
def test_is_not_led_elsewhere(fickle: Fickle, tmp_path: Path, location: str) -> None:
    """A redirection to another server is not followed."""
    fickle.location = location
    with pytest.raises(DownloadRefused):
        fetch(fickle, tmp_path / "a.bin")
    assert len(fickle.asked) == 1


@pytest.mark.parametrize(
    ("status", "error"), [(500, NotNow), (503, NotNow), (429, NotNow), (404, DownloadRefused), (200, DownloadRefused)]
)
def test_answers_that_are_no_download(fickle: Fickle, tmp_path: Path, status: int, error: type[Exception]) -> None:
    """Each kind with its exit code."""
    fickle.first = status
    with pytest.raises(error):
        fetch(fickle, tmp_path / "a.bin")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://x/files/a.bin?token=t", "a.bin"), ("https://x/files/%E6%8A%A5.pdf?token=t", "报.pdf"),
        ("https://x/files/a%2F..%2F..%2Fetc%2Fpasswd?token=t", "a....etcpasswd"), ("https://x/files/..?token=t",
        "download"),
        ("https://x/files/?token=t", "download"), ("https://x/files/a%00%0a%1b[31mb?token=t", "a[31mb"),
        ("https://x/files/a%5Cb?token=t", "ab"),
    ],
)  # fmt: skip
def test_names(url: str, name: str) -> None:
    """The file's own, and never a path or something that a terminal obeys."""
    link = link_of(url, None)
    assert link.name == name
    assert "token" not in link.url
    assert "'t'" not in repr(link)


@pytest.mark.parametrize(
    "url",
    ["", "x", "ftp://x/a?token=t", "https://x/a", "https://x/a?token=", "https://x/a?token=a&token=b", "https://[/"],
)
def test_what_is_no_link(url: str) -> None:
    """Usage."""
    with pytest.raises(Usage):
        link_of(url, None)


def test_a_token_comes_once() -> None:
    """In the link or on stdin."""
    assert link_of("https://x/a", "t").token == "t"
    with pytest.raises(Usage):
        link_of("https://x/a?token=t", "t")


def test_files_that_are_there(fickle: Fickle, ostiary: Shell) -> None:
    """Are not written over without being told to, and nothing is spent before that is known."""
    (ostiary.folder / "a.bin").write_bytes(b"mine")
    refused = ostiary("download", fickle.link)
    assert (refused.code, fickle.asked) == (2, [])
    assert ostiary("download", fickle.link, "-o", "no/such/folder/x").code == 2
    assert ostiary("download", fickle.link, "--force").code == 0
    assert same(ostiary.folder / "a.bin")
    (ostiary.folder / "there").mkdir()
    assert ostiary("download", fickle.link, "-o", "there").code == 0
    assert same(ostiary.folder / "there/a.bin")


def test_progress_in_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """How much of how much, how fast, how long still; what was there before counts for nothing in the rate."""
    now = [0.0]
    with ByteProgress("a.bin", total=4 * 2**20, done=2**20, monotonic=lambda: now[0]) as progress:
        now[0] = 6.0
        progress.add(2**20)
        now[0] = 7.0
        progress.add(1)
        now[0] = 12.0
    said: Any = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "a.bin: 2.0 MiB of 4.0 MiB, 170.7 KiB/s, 12 s left",
        "a.bin: 2.0 MiB of 4.0 MiB, 85.3 KiB/s, 24 s left",
    ]
    assert [amount(count) for count in (0, 1023, 1024, 2**40, 2**60)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.0 TiB",
        "1048576.0 TiB",
    ]
