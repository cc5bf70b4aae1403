"""What the pages tell the reader to type works, in the order in which they tell it."""

import csv
import json
import time
from pathlib import Path

import pytest
from tests.docs.reading import ROOT, Command, all_blocks, blocks, commands
from tests.docs.walking import PATIENCE, Walk, make_targets, serving, started
from tests.servers.ports import free_port

README = Path("README.md")
STARTING = Path("docs/guide/getting-started.md")
OPERATING = Path("docs/guide/operating.md")
EMBEDDING = Path("docs/guide/embedding.md")
SERVICES = Path("docs/guide/other-services.md")
WALKED = {README, STARTING, OPERATING, EMBEDDING, SERVICES}
PASS_PHRASE = "a long pass phrase of your own"

NOT_RUN = {
    "ostiary serve": "started by the tests on a port of their own",
    "ostiary serve --issuer https://auth.example.com": "the same, at an address that is not this machine's",
    "ostiary account create ada --role user --role admin": "asks on a terminal; run with --password-stdin",
    "openssl rand -base64 48 > /etc/ostiary/secret_key": "writes where tests must not; see test_a_key_from_a_file",
    "OSTIARY_SECRET_KEY_FILE=/etc/ostiary/secret_key ostiary serve": "see test_a_key_from_a_file",
    "sqlite3 /var/lib/ostiary/ostiary.db \".backup '/backup/ostiary.db'\"": "the same call is in test_a_backup",
    "uvicorn examples.starlette_notes:app": "started by the test",
    "PASSWORD=...": "the reader's part",
    "pip install 'ostiary[server,valkey]'": "the same",
    "pip install 'ostiary[server,postgres]'": "the tests run in an environment that has it",
}


def of(page: Path) -> list[Command]:
    """The commands of a page that are to be run, in their order."""
    found = [command for block in blocks(page, "console") for command in commands(block)]
    return [command for command in found if command.text not in NOT_RUN and not command.text.startswith("make ")]


def test_every_command_is_run_or_said_not_to_be() -> None:
    """No command of any page is forgotten: it is run below, is a make target, or stands in the table with a reason."""
    for block in all_blocks("console"):
        for command in commands(block):
            if command.text.startswith("make "):
                assert command.text.split()[1] in make_targets(), str(command)
            elif command.text not in NOT_RUN:
                assert block.page in WALKED, str(command)


def test_the_first_screen_works_against_the_demo(tmp_path: Path) -> None:
    """Log in, use it, end it, refused: the lines of the README, against the demo that it tells to start (M-06)."""
    port = free_port()
    with started(["ostiary", "demo", "--port", str(port)], until="Ctrl-C", cwd=tmp_path) as printed:
        words = printed.split()
        password = words[words.index("password") + 1]
        walk = Walk(folder=tmp_path, port=port, variables={"PASSWORD": password})
        lines = of(README)
        assert len(lines) == 4
        for command in lines:
            walk.run(command)
        log_in, _, log_out, _ = lines
        deadline = time.monotonic() + 3 * PATIENCE
        while not walk.answer.get("bound"):  # the demonstration's other services do not follow yet
            assert time.monotonic() < deadline, walk.answer
            walk.run(log_in)
            walk.run(log_out)
        assert walk.answer["bound"] == json.loads(log_out.output)["bound"]


def test_services_are_registered_as_the_page_says(tmp_path: Path) -> None:
    """The command of the page is one that works."""
    (command,) = of(SERVICES)
    Walk(folder=tmp_path, port=free_port(), variables={}).run(command)


def test_getting_started_works(tmp_path: Path) -> None:
    """A reader who types what the page says gets what the page says."""
    port = free_port()
    walk = Walk(folder=tmp_path, port=port)
    first, *others = of(STARTING)
    assert "account create" in first.text
    walk.run(first)
    with serving(tmp_path, port=port):
        for command in others:
            walk.run(command)


def test_operating_works(tmp_path: Path) -> None:
    """The operator's commands work beside a server that runs."""
    port = free_port()
    walk = Walk(folder=tmp_path, port=port)
    walk.run(of(STARTING)[0])
    with (tmp_path / "people.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("username", "password", "roles"), ("bob", "another long pass phrase", "user")])
    log_in = next(command for command in of(STARTING) if "-c jar" in command.text)
    with serving(tmp_path, port=port):
        for command in of(OPERATING):
            if "-b jar" in command.text:
                walk.run(log_in)
            walk.run(command)


def test_the_notes_example_works(tmp_path: Path) -> None:
    """The lines under the example make an account, write a note and read it."""
    port = free_port()
    walk = Walk(folder=tmp_path, port=port, connect_to=True)
    server = ["python", "-m", "uvicorn", "examples.starlette_notes:app", "--port", str(port)]
    with started(server, until="Uvicorn running", cwd=ROOT):
        lines = of(EMBEDDING)
        assert len(lines) == 4
        for command in lines:
            walk.run(command)


@pytest.mark.parametrize("text", sorted(NOT_RUN))
def test_what_is_not_run_is_still_written(text: str) -> None:
    """The table of exceptions holds nothing that no page says any more."""
    assert any(command.text == text for block in all_blocks("console") for command in commands(block))
