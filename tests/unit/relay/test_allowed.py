"""Who may follow a relay: digests in a file, and no secret anywhere (M-02)."""

import hashlib
import os
from base64 import b64encode
from pathlib import Path

import pytest

from ostiary.errors import InvalidClient, Malformed, Misconfigured, NotAuthenticated
from ostiary.relay.allowed import Allowed

DIGEST = hashlib.sha256(b"ost_cs_a").hexdigest()


def basic(name: str, secret: str) -> tuple[bytes, bytes]:
    return b"authorization", b"Basic " + b64encode(f"{name}:{secret}".encode())


def test_whoever_knows_the_secret_may_follow(tmp_path: Path) -> None:
    """HTTP Basic, form-encoded as RFC 6749 has it; everybody else is told nothing but 401 (section 5)."""
    file = tmp_path / "followers"
    file.write_text(f"# who may follow\n\ncli_a {DIGEST}\n  cli_b\t{hashlib.sha256(b'b:+ ').hexdigest()}  \n")
    allowed = Allowed(file)
    assert allowed.follower([basic("cli_a", "ost_cs_a")])[0] == "cli_a"
    assert allowed.follower([basic("cli_b", "b%3A%2B+")])[0] == "cli_b"
    for wrong in (
        basic("cli_a", "ost_cs_b"), basic("cli_a", ""), basic("cli_c", "ost_cs_a"), basic("", ""),
        (b"authorization", b"Basic x"), (b"authorization", b"Basic " + b64encode(b"cli_a")),
        (b"authorization", b"Bearer ost_cs_a"), (b"authorization", b"Basic " + b"A" * 5000),
        (b"authorization", b"Basic " + b64encode(b"\xff:\xff")), (b"authorization", b""),
    ):  # fmt: skip
        with pytest.raises(InvalidClient) as refused:
            allowed.follower([wrong])
        assert "ost_cs" not in str(refused.value) + refused.value.private
    with pytest.raises(NotAuthenticated):
        allowed.follower([])
    with pytest.raises(Malformed):
        allowed.follower([basic("cli_a", "ost_cs_a")] * 2)


@pytest.mark.parametrize(
    "text",
    ["", "# nobody\n", "cli_a", "cli_a 12", f"cli_a {'0' * 64}", f"cli_a {DIGEST} x", f"cli_a {DIGEST}\ncli_a {DIGEST}",
     f"cli:a {DIGEST}", f"é {DIGEST}", "cli_a ost_cs_a"],
)  # fmt: skip
def test_a_file_that_says_something_else_is_told(tmp_path: Path, text: str) -> None:
    """By the number of the line: what stands there might be a secret."""
    file = tmp_path / "followers"
    file.write_text(text)
    with pytest.raises(Misconfigured) as wrong:
        Allowed(file)
    assert "ost_cs" not in str(wrong.value)
    with pytest.raises(Misconfigured):
        Allowed(tmp_path / "none")


def test_the_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """Whoever is taken out may follow no longer, the last one too, and one bad line changes nothing."""
    file = tmp_path / "followers"
    file.write_text(f"cli_a {DIGEST}\ncli_b {DIGEST}\n")
    allowed = Allowed(file)
    who = allowed.follower([basic("cli_a", "ost_cs_a")])
    assert not allowed.look()

    def write(text: str) -> None:
        other = tmp_path / "other"
        other.write_text(text)
        os.replace(other, file)  # noqa: PTH105 - another file under the name, whatever the clock of the disk says

    write("cli_a nonsense\n")
    assert not allowed.look()
    assert allowed.knows(*who)
    write(f"cli_b {DIGEST}\ncli_c {DIGEST}\n")
    assert allowed.look()
    assert not allowed.knows(*who)
    with pytest.raises(InvalidClient):
        allowed.follower([basic("cli_a", "ost_cs_a")])
    assert allowed.follower([basic("cli_c", "ost_cs_a")])[0] == "cli_c"
    write("# nobody\n")
    assert allowed.look()
    with pytest.raises(InvalidClient):
        allowed.follower([basic("cli_c", "ost_cs_a")])
