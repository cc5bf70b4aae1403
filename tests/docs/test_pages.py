"""Pages agree with the code: links, commands, settings, limits, tests that they name, and code that they show."""

import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest
from tests.docs.reading import PAGES, ROOT, Block, all_blocks, blocks, prose, read
from tests.docs.walking import environment

from ostiary import Settings, limits
from ostiary.compose.policies import throttle_policy_of
from ostiary.settings.record import TABLE

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def anchors(path: Path) -> set[str]:
    """What headings can be linked to, as the usual sites name them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that exists, and a heading in it."""
    for target in LINK.findall(prose(page)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), f"{page}: {target}"
        if anchor:
            assert anchor in anchors(path), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_named_files_exist(page: Path) -> None:
    """A file of ours that is named in `code` exists."""
    for name in re.findall(r"`((?:tests|docs|examples|benchmarks)/[\w./-]+)`", read(page)):
        assert (ROOT / name).exists(), f"{page}: {name}"


def test_every_decision_is_in_the_index() -> None:
    """The index of decisions names each file once."""
    index = read(Path("docs/adr/README.md"))
    for path in (ROOT / "docs/adr").glob("0*.md"):
        assert index.count(f"({path.name})") == 1, path.name


@cache
def help_of(words: tuple[str, ...]) -> str:
    """What `--help` says; it must say something."""
    done = subprocess.run(
        ["ostiary", *words, "--help"], env=environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, words
    return done.stdout


NOT_YET: set[str] = set()


def test_commands_exist() -> None:
    """Every `ostiary` command that a page names is in `--help`, with the flags that are named."""
    nouns = dict.fromkeys(re.findall(r"^│ ([a-z][a-z-]+) ", help_of(()), re.MULTILINE))
    verbs = {noun: set(re.findall(r"^│ ([a-z][a-z-]+) ", help_of((noun,)), re.MULTILINE)) for noun in nouns}
    for page in PAGES:
        for words, flags in re.findall(r"\bostiary ((?:[a-z][a-z-]+ ?){1,2})((?:[^\n`]*)?)", read(page)):
            noun, *rest = words.split()
            if noun not in verbs and noun not in NOT_YET:
                assert noun in ("import", "resolves"), f"{page}: ostiary {words}"  # Python, or prose
                continue
            if noun in NOT_YET:
                assert page == Path("README.md"), f"{page}: ostiary {words}"
                continue
            verb = rest[0] if rest and rest[0] in verbs[noun] else None
            known = help_of((noun, verb) if verb else (noun,)) if "--" in flags else ""
            for flag in re.findall(r"(--[a-z][a-z-]+)", flags.split("|")[0]):
                assert flag in known, f"{page}: ostiary {words} {flag}"


def test_the_table_of_commands_is_whole() -> None:
    """The README's table names every command that there is, and no other."""
    rows = re.findall(r"^\| (`ostiary .*) \|$", read(Path("README.md")), re.MULTILINE)
    nouns = set(re.findall(r"^│ ([a-z][a-z-]+) ", help_of(()), re.MULTILINE))
    named = {noun for row in rows for noun in re.findall(r"`ostiary ([a-z-]+)`", row)}
    assert named == nouns
    for noun in ("account", "session", "key", "config", "db"):
        verbs = set(re.findall(r"^│ ([a-z][a-z-]+) ", help_of((noun,)), re.MULTILINE))
        row = next(row for row in rows if f"`ostiary {noun}`" in row)
        assert verbs <= set(re.findall(r"`([a-z-]+)`", row)), noun


@pytest.mark.parametrize("block", all_blocks("toml"), ids=str)
def test_settings_are_accepted(block: Block) -> None:
    """Every TOML block can be loaded as it stands."""
    Settings.load(flags=tomllib.loads(block.text), environ={})


def test_settings_have_their_names() -> None:
    """Every setting that operating.md names in its tables exists, and its default is the one that is said."""
    text = read(Path("docs/guide/operating.md"))
    throttling = text[text.index("## Throttling") : text.index("## Limits")]
    names = re.findall(r"`([a-z]+(?:_[a-z]+)+)`", throttling)
    assert names
    assert set(names) <= set(TABLE)
    policy = throttle_policy_of(Settings(database="memory:"))
    assert (policy.free_failures, policy.max_delay, policy.hard_limit, policy.address_failures) == (5, 900, 100, 30)
    assert (TABLE["address_signups"].default, TABLE["signup_hard_limit"].default) == (1000, 10_000)
    assert (TABLE["refreshes_per_minute"].default, TABLE["max_sessions"].default) == (120, 20)
    assert (TABLE["lease"].default, TABLE["refresh_grace"].default) == (2, 10)


def test_limits_are_what_is_said() -> None:
    """The numbers of the table of limits are those of the code."""
    said = {
        limits.BODY_BYTES: "64 KiB",
        limits.HEADERS_BYTES: "16 KiB",
        limits.CREDENTIAL_CHARS: "4096 characters",
        limits.ISSUED_TOKEN_CHARS: "2048 characters",
        limits.PASSWORD_CHARS: "1024 characters",
        limits.HASH_QUEUE: "512",
        limits.STORE_QUEUE: "10 000",
        limits.REPLICA_ENTRIES: "1 000 000",
        limits.RECOGNISED_CREDENTIALS: "100 000",
    }
    assert list(said) == [65536, 16384, 4096, 2048, 1024, 512, 10_000, 1_000_000, 100_000]
    text = read(Path("docs/guide/operating.md"))
    for words in said.values():
        assert f"| {words} |" in text
    assert (limits.ROLES_PER_ACCOUNT, limits.SCOPES_PER_TOKEN, limits.RECOGNISED_SECONDS) == (32, 64, 240)


@pytest.mark.parametrize("block", all_blocks("python"), ids=str)
def test_python_blocks_run(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python block runs as it stands."""
    monkeypatch.chdir(tmp_path)
    exec(compile(block.text, str(block), "exec"), {"__name__": "shown"})  # noqa: S102 - our own documentation


def test_the_readme_is_short() -> None:
    """Nobody reads a long one."""
    assert len(read(Path("README.md")).splitlines()) < 200


def test_the_embedding_example_is_short() -> None:
    """Embedding takes twelve lines, empty ones not counted."""
    first = blocks(Path("README.md"), "python")[0]
    assert len([line for line in first.text.splitlines() if line.strip()]) <= 12


def test_every_flaw_class_has_its_test() -> None:
    """Classes 1 to 58, and the three defects, are found in the names of tests in the folders that testing.md names."""
    folders = ("jose", "verifier", "credentials")
    files = [path for folder in folders for path in (ROOT / "tests" / "unit" / folder).glob("test_*.py")]
    names = " ".join(name for path in files for name in re.findall(r"def (test_\w+)", path.read_text()))
    flaws = re.findall(r"test_flaw_(\d\d)(?:_and_(\d\d))?_", names)
    assert {int(number) for pair in flaws for number in pair if number} == set(range(1, 59))
    assert set(re.findall(r"test_defect_(\d)_", names)) == {"1", "2", "3"}


def test_planned_things_are_named_in_one_place() -> None:
    """What is not there yet stands in the README's list, and no other page speaks of it as if it were."""
    planned = (
        "several server processes",
    )  # fmt: skip
    for page in PAGES:
        text = read(page)
        if page.name == "performance.md":
            continue  # it speaks of what it is measured against
        if page == Path("README.md"):
            start = text.index("## Not yet")
            text = text[:start] + text[text.index("## ", start + 3) :]
        for word in planned:
            assert word.lower() not in text.lower(), f"{page}: {word}"


def test_pictures_are_there_and_small() -> None:
    """Each picture that a page shows is a file of ours, none is heavy, and none is kept that no page shows but for
    those of other languages, looks and sizes."""
    shown: set[Path] = set()
    for page in PAGES:
        for name in re.findall(r'(?:src|srcset)="([^":]+)"|!\[[^\]]*\]\(([^):]+)\)', read(page)):
            shown.add(((ROOT / page).parent / (name[0] or name[1])).resolve())
    assert all(path.is_file() for path in shown)
    kept = set((ROOT / "docs/pictures").iterdir())
    assert {path.name for path in kept} >= {"account-phone.webp", "account-zh-CN.webp", "admin-dark.webp"}
    assert all(path.stat().st_size < 100_000 for path in kept)
