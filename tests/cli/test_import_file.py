"""Reading files of accounts: three formats, the same rows, and what is said of bad ones."""

from pathlib import Path

import pytest

from ostiary.cli.import_file import BadRow, Format, RefusedRows, Row, opened
from ostiary.errors import InvalidRequest


def rows_of(path: Path, content: str | bytes, form: Format | None = None) -> list[Row | BadRow]:
    """Write, open, read all."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with opened(str(path), form) as file:
        rows = list(file)
        assert file.count() == len(rows)
        return rows


CSV = 'username,password,roles\nalice," pass, word ",admin user\nbob,hunter2,\n'
JSON = (
    '[{"username":"alice","password":" pass, word ","roles":["admin","user"]},{"username":"bob","password":"hunter2"}]'
)
JSONL = JSON[1:-1].replace("},{", "}\n{") + "\n"


@pytest.mark.parametrize(("suffix", "content"), [(".csv", CSV), (".json", JSON), (".jsonl", JSONL), ("", CSV)])
def test_three_formats_say_the_same(tmp_path: Path, suffix: str, content: str) -> None:
    """CSV, a JSON array and JSON lines give the same rows; a password keeps every character."""
    alice, bob = rows_of(tmp_path / f"accounts{suffix}", content)
    assert isinstance(alice, Row)
    assert isinstance(bob, Row)
    assert (alice.username, alice.password, alice.roles) == ("alice", " pass, word ", ("admin", "user"))
    assert (bob.username, bob.password, bob.roles, bob.password_hash) == ("bob", "hunter2", None, None)


@pytest.mark.parametrize(("content", "form"), [(CSV, "csv"), (JSON, "json"), (JSONL, "jsonl"), ("\ufeff" + CSV, "csv")])
def test_format_is_recognised_by_its_start(tmp_path: Path, content: str, form: str) -> None:
    """A name that says nothing (or stdin) is read by how the file begins; a byte-order mark is not part of it."""
    path = tmp_path / "accounts"
    path.write_text(content)
    with opened(str(path)) as file:
        assert file.form == form
        assert [type(row) for row in file] == [Row, Row]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("alice", "1 cells"),
        ("alice,a,b,c", "4 cells"),
        (",secret,", "username is missing"),
        ("alice,,", "either password or password_hash"),
        ("alice,secret,$argon2id$", "either password or password_hash"),
    ],
)
def test_bad_rows_are_told_and_the_next_is_read(tmp_path: Path, line: str, reason: str) -> None:
    """One bad row does not stop the file, and its reason repeats nothing that could be a password."""
    bad, good = rows_of(tmp_path / "a.csv", f"username,password,password_hash\n{line}\nbob,hunter2,\n")
    assert isinstance(bad, BadRow)
    assert (bad.line, reason in bad.reason, "secret" in bad.reason) == (2, True, False)
    assert isinstance(good, Row)
    assert good.line == 3


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"username":"a","password":1}', "password is not text"),
        ('{"username":"a","password":"b","roles":7}', "roles is neither"),
        ('{"username":"a","password":"b","admin":true}', "not known"),
        (f'{{"username":"a","password":"{"x" * 70_000}"}}', "too long"),
        pytest.param("[" * 60_000, "not JSON", id="brackets"),
    ],
)
def test_bad_json_lines(tmp_path: Path, line: str, reason: str) -> None:
    """A line that is no account is told with its number, and a member that nobody knows is not dropped silently."""
    bad, good = rows_of(tmp_path / "a.jsonl", f'{line}\n{{"username":"bob","password":"hunter2"}}\n')
    assert isinstance(bad, BadRow)
    assert reason in bad.reason
    assert isinstance(good, Row)
    assert good.line == 2


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "name,password\na,b\n", "column username is missing"),
        ("a.csv", "username,pasword\na,b\n", "columns that are not known"),
        ("a.csv", "username,username\na,b\n", "stands twice"),
        ("a.csv", "", "column username is missing"),
        ("a.csv", b"username,password\n\xff,b\n", "not UTF-8"),
        ("a.json", "7", "not a JSON array"),
        ("a.json", "[", "not JSON"),
        pytest.param("a.json", "[" * 100_000, "nests too deeply", id="brackets"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: str | bytes, words: str) -> None:
    """A file that is wrong as a whole is refused before anything is imported."""
    with pytest.raises(InvalidRequest, match=words):
        rows_of(tmp_path / name, content)


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is told as such."""
    with pytest.raises(InvalidRequest, match="cannot be read"), opened(str(tmp_path / "nothing.csv")):
        pass


@pytest.mark.parametrize("form", list(Format))
def test_refused_rows_can_be_imported_once_mended(tmp_path: Path, form: Format) -> None:
    """The file of refused rows is private, says why, and is itself a file to import."""
    path = tmp_path / "refused"
    refused = RefusedRows(path, form)
    refused.write([BadRow(line=7, reason="the user name is taken", raw={"username": "a", "password": "b,\n"})])
    refused.close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert "the user name is taken" in path.read_text()
    with opened(str(path)) as file:
        (row,) = file
    assert isinstance(row, Row)
    assert (row.username, row.password) == ("a", "b,\n")
