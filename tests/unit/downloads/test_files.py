"""Files are opened below the root and nowhere else (M-62)."""

import os
import socket
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ostiary.downloads.files import OpenFile, Root
from ostiary.errors import Misconfigured


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root, and a secret beside it."""
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "root"
    (folder / "reports").mkdir(parents=True)
    (folder / "reports/q3.pdf").write_text("q3")
    return folder


def read(root: Path, resource: str) -> bytes | None:
    """What the resource holds."""
    below = Root(root)
    try:
        file = below.open(resource)
        if file is None:
            return None
        try:
            return file.read(0, file.size)
        finally:
            file.close()
    finally:
        below.close()


@pytest.mark.parametrize(
    "name",
    [
        "reports/q3.pdf", "a b.txt", "-rf", "~", "...", ".hidden", "100%.txt", "quote\"'.txt", "<b>.html", "报告.pdf",
        "emoji 👩‍👩‍👧.png", "x" * 255, "semi;colon", "new\u00a0space", "C:x", "a?b#c&d",
    ],
)  # fmt: skip
def test_odd_names(root: Path, name: str) -> None:
    """Whatever a file is called."""
    (root / name).write_bytes(b"content")
    assert read(root, name) == b"content"


@pytest.mark.parametrize(
    "resource",
    [
        "", ".", "..", "../secret.txt", "reports/../../secret.txt", "/etc/passwd", "reports//q3.pdf", "reports",
        "reports/",
        "reports/q3.pdf/", "reports/q3.pdf/x", "nope", "nope/q3.pdf", "REPORTS/q3.pdf", "reports/Q3.pdf", "x" * 256,
        "reports\\q3.pdf", "%2e%2e/secret.txt", "reports/q3.pdf\x00.txt", "reports/q3.pdf\n",
    ],
)  # fmt: skip
def test_what_is_no_file_below_the_root(root: Path, resource: str) -> None:
    """Ways up, folders, other spellings, and what is not there: nothing."""
    assert read(root, resource) is None


def test_links_are_not_followed(root: Path) -> None:
    """Neither to a file nor through a folder, wherever they lead."""
    (root / "link.txt").symlink_to(root.parent / "secret.txt")
    (root / "inside.txt").symlink_to("reports/q3.pdf")
    (root / "up").symlink_to("..")
    (root / "same").symlink_to("reports")
    (root / "loop").symlink_to("loop")
    for resource in (
        "link.txt",
        "inside.txt",
        "up/secret.txt",
        "same/q3.pdf",
        "loop",
        "loop/x",
        "up/root/reports/q3.pdf",
    ):
        assert read(root, resource) is None, resource


def test_only_regular_files(root: Path) -> None:
    """A FIFO without a writer does not hang, a socket and a device are not opened."""
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
        for resource in ("fifo", "socket"):
            assert read(root, resource) is None
    if os.geteuid() == 0:
        try:
            os.mknod(root / "null", 0o600 | 0o020000, os.makedev(1, 3))
        except OSError:
            return
        assert read(root, "null") is None


def test_what_we_may_not_read(root: Path) -> None:
    """Is not there."""
    (root / "closed").write_text("x")
    (root / "closed").chmod(0)
    assert read(root, "closed") in (None, b"x")  # root may read everything
    if os.geteuid() != 0:
        assert read(root, "closed") is None


def test_names_of_other_systems(root: Path) -> None:
    """A name on disk in normal form D is found by the resource, which is in C."""
    (root / unicodedata.normalize("NFD", "Café/Übersicht.pdf")).parent.mkdir()
    (root / unicodedata.normalize("NFD", "Café/Übersicht.pdf")).write_bytes(b"here")
    assert read(root, "Café/Übersicht.pdf") == b"here"


def test_the_root_stays_the_same_folder(root: Path) -> None:
    """Whatever its name is given to later."""
    below = Root(root)
    root.rename(root.with_name("moved"))
    root.mkdir()
    (root / "new.txt").write_text("new")
    assert below.open("new.txt") is None
    file = below.open("reports/q3.pdf")
    assert isinstance(file, OpenFile)
    file.close()
    below.close()


def test_no_descriptor_is_left_open(root: Path) -> None:
    """Whether a file was found or not."""
    below = Root(root)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for resource in ("reports/q3.pdf", "reports/nope", "nope/x", "reports", "../x"):
        for _ in range(5):
            file = below.open(resource)
            if file is not None:
                file.close()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    below.close()


def test_a_file_that_changes_is_not_read_on(root: Path) -> None:
    """Truncated, grown or written over: no more bytes, and none that were made up."""
    path = root / "log.txt"
    for change in (lambda: os.truncate(path, 3), lambda: path.write_bytes(b"x" * 20), lambda: path.write_bytes(b"")):
        path.write_bytes(b"0123456789")
        os.utime(path, (1, 1))
        below = Root(root)
        file = below.open("log.txt")
        assert file is not None
        assert file.read(0, 5) == b"01234"
        change()
        assert file.read(5, 5) is None
        file.close()
        below.close()


def test_a_file_that_is_replaced_is_read_to_its_end(root: Path) -> None:
    """What was opened is what is sent: a new file of the same name is another one, with another version."""
    path = root / "report.txt"
    path.write_bytes(b"old old")
    below = Root(root)
    old = below.open("report.txt")
    assert old is not None
    (root / "next").write_bytes(b"newer")
    (root / "next").replace(path)
    assert old.read(0, 7) == b"old old"
    new = below.open("report.txt")
    assert new is not None
    assert new.version != old.version
    old.close()
    new.close()
    below.close()


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    """Is told at once."""
    with pytest.raises(Misconfigured):
        Root(tmp_path / "nope")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(alphabet="./\\%2ea\x00 q3pdfrots", max_size=24) | st.text(max_size=12))
def test_no_text_reads_the_secret(root: Path, resource: str) -> None:
    """Whatever is asked for, nothing outside the root comes out."""
    assert read(root, resource) in (None, b"q3")
