"""Who may follow a relay: digests in a file, and no secret anywhere (M-02)."""

import hashlib
import json
import os
from base64 import b64encode
from pathlib import Path

import pytest

from ostiary import jose, limits
from ostiary.errors import InvalidClient, Malformed, Misconfigured, NotAuthenticated, Overloaded
from ostiary.relay.allowed import Allowed
from ostiary.verifier.issuer_client import ClientKey

RELAY = "https://relay.example"
KEY = jose.Key.generate("ES256")
DIGEST = hashlib.sha256(b"ost_cs_a").hexdigest()


def basic(name: str, secret: str) -> tuple[bytes, bytes]:
    return b"authorization", b"Basic " + b64encode(f"{name}:{secret}".encode())


def test_whoever_knows_the_secret_may_follow(tmp_path: Path) -> None:
    """HTTP Basic, form-encoded as RFC 6749 has it; everybody else is told nothing but 401 (section 5)."""
    file = tmp_path / "followers"
    file.write_text(f"# who may follow\n\ncli_a {DIGEST}\n  cli_b\t{hashlib.sha256(b'b:+ ').hexdigest()}  \n")
    allowed = Allowed(file)
    assert allowed.follower([basic("cli_a", "ost_cs_a")], 0.0, 0.0)[0] == "cli_a"
    assert allowed.follower([basic("cli_b", "b%3A%2B+")], 0.0, 0.0)[0] == "cli_b"
    for wrong in (
        basic("cli_a", "ost_cs_b"), basic("cli_a", ""), basic("cli_c", "ost_cs_a"), basic("", ""),
        (b"authorization", b"Basic x"), (b"authorization", b"Basic " + b64encode(b"cli_a")),
        (b"authorization", b"Bearer ost_cs_a"), (b"authorization", b"Basic " + b"A" * 5000),
        (b"authorization", b"Basic " + b64encode(b"\xff:\xff")), (b"authorization", b""),
    ):  # fmt: skip
        with pytest.raises(InvalidClient) as refused:
            allowed.follower([wrong], 0.0, 0.0)
        assert "ost_cs" not in str(refused.value) + refused.value.private
    with pytest.raises(NotAuthenticated):
        allowed.follower([], 0.0, 0.0)
    with pytest.raises(Malformed):
        allowed.follower([basic("cli_a", "ost_cs_a")] * 2, 0.0, 0.0)


@pytest.mark.parametrize(
    "text",
    ["", "# nobody\n", "cli_a", "cli_a 12", f"cli_a {'0' * 64}", f"cli_a {DIGEST} x", f"cli_a {DIGEST}\ncli_a {DIGEST}",
     "cli_a {}", 'cli_a {"keys":[]}', 'cli_a {"keys":[{"kty":"oct","k":"AAAA"}]}', 'cli_a {"keys"',
     f'cli_a {{"keys":[{json.dumps(KEY.to_jwk(private=True))}]}}', f"cli_a {json.dumps(KEY.public().to_jwk())}",
     f"cli:a {DIGEST}", f"é {DIGEST}", "cli_a ost_cs_a"],
)  # fmt: skip
def test_a_file_that_says_something_else_is_told(tmp_path: Path, text: str) -> None:
    """By the number of the line: what stands there might be a secret."""
    file = tmp_path / "followers"
    file.write_text(text)
    with pytest.raises(Misconfigured) as wrong:
        Allowed(file)
    assert "ost_cs" not in str(wrong.value)
    assert str(KEY.to_jwk(private=True)["d"]) not in str(wrong.value)
    with pytest.raises(Misconfigured):
        Allowed(tmp_path / "none")


def test_the_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """Whoever is taken out may follow no longer, the last one too, and one bad line changes nothing."""
    file = tmp_path / "followers"
    file.write_text(f"cli_a {DIGEST}\ncli_b {DIGEST}\n")
    allowed = Allowed(file)
    who = allowed.follower([basic("cli_a", "ost_cs_a")], 0.0, 0.0)
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
        allowed.follower([basic("cli_a", "ost_cs_a")], 0.0, 0.0)
    assert allowed.follower([basic("cli_c", "ost_cs_a")], 0.0, 0.0)[0] == "cli_c"
    write("# nobody\n")
    assert allowed.look()
    with pytest.raises(InvalidClient):
        allowed.follower([basic("cli_c", "ost_cs_a")], 0.0, 0.0)


def line(name: str, key: jose.Key = KEY) -> str:
    return f"{name} {json.dumps({'keys': [key.public().to_jwk()]})}\n"


def shown(name: str, *, key: jose.Key = KEY, meant_for: str = RELAY, now: float = 1000.0) -> tuple[bytes, bytes]:
    return b"authorization", ClientKey(name, key).header(meant_for, now).encode()


def test_whoever_holds_the_key_may_follow(tmp_path: Path) -> None:
    """`private_key_jwt`, with an assertion that is meant for this relay, fresh, and good once (RFC 7523 section 3):
    what was meant for the issuer would be good there for whoever reads it here."""
    file = tmp_path / "followers"
    file.write_text(line("cli_a") + line("cli_b", jose.Key.generate("EdDSA")) + f"cli_c {DIGEST}\n")
    with pytest.raises(Misconfigured, match="audience"):
        Allowed(file)
    allowed = Allowed(file, audience=f"{RELAY}/")
    proof = shown("cli_a")
    who = allowed.follower([proof], 1000.0, 1000.0)
    assert who[0] == "cli_a"
    assert allowed.knows(*who)
    assert allowed.follower([shown("cli_a", meant_for=f"{RELAY}/")], 1000.0, 1000.0) == who
    for wrong, now in (
        (proof, 1000.0), (proof, 1059.0),  # a second time
        (shown("cli_a"), 1061.0), (shown("cli_a", now=1031.0), 1000.0),
        (shown("cli_a", meant_for="https://id.example"), 1000.0), (shown("cli_b"), 1000.0), (shown("cli_c"), 1000.0),
        (shown("cli_d"), 1000.0), ((b"authorization", b"Bearer x"), 1000.0), ((b"authorization", b"Bearer"), 1000.0),
        (basic("cli_a", line("cli_a").partition(" ")[2].strip()), 1000.0),  # what stands in the file proves nothing
        (basic("cli_a", ""), 1000.0),
    ):  # fmt: skip
        with pytest.raises(InvalidClient):
            allowed.follower([wrong], now, now)

    file.write_text(line("cli_a", jose.Key.generate("ES256")))
    os.utime(file, ns=(1, 1))
    assert allowed.look()
    assert not allowed.knows(*who)
    with pytest.raises(InvalidClient):
        allowed.follower([shown("cli_a")], 1000.0, 1000.0)


@pytest.mark.parametrize("steps", [(3600.0, 0.0), (-30.0,), (30.0, 0.0), (-3600.0, 0.0)], ids=str)
def test_a_clock_that_is_set_lets_no_assertion_be_used_again(tmp_path: Path, steps: tuple[float, ...]) -> None:
    """Flaw class: the wall clock jumps, the assertion is forgotten, the clock is set right, and the assertion is good
    once more. `steps`: by how much the clock is wrong, one after the other."""
    file = tmp_path / "followers"
    file.write_text(line("cli_a"))
    allowed = Allowed(file, audience=RELAY)
    right = 1_000_000.0
    proof = shown("cli_a", now=right)
    allowed.follower([proof], right, 5.0)
    for passed in range(70):
        for wrong in steps:
            now, monotonic = right + passed + wrong, 5.0 + passed
            with pytest.raises(InvalidClient):
                allowed.follower([proof], now, monotonic)
            allowed.follower([shown("cli_a", now=now)], now, monotonic)  # whatever the clock says, who follows may
    for _ in range(2):
        allowed.follower([shown("cli_a", now=right)], right, 5.0 + 3 * limits.ASSERTION_SECONDS)
    assert len(allowed._assertions) == 2


def test_assertions_are_remembered_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No follower takes the room of all: beyond its share it is refused, the others are not, and what has expired makes
    room (section 1)."""
    monkeypatch.setattr(limits, "RELAY_ASSERTIONS", 10)
    file = tmp_path / "followers"
    file.write_text(line("cli_a") + line("cli_b"))
    allowed = Allowed(file, audience=RELAY)
    for _ in range(8):
        allowed.follower([shown("cli_a")], 1000.0, 1000.0)
    with pytest.raises(Overloaded):
        allowed.follower([shown("cli_a")], 1000.0, 1000.0)
    assert allowed.follower([shown("cli_b")], 1000.0, 1000.0)[0] == "cli_b"
    assert allowed.follower([shown("cli_a", now=1060.0)], 1060.0, 1060.0)[0] == "cli_a"
    assert len(allowed._assertions) == 1
