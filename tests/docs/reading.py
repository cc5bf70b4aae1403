"""The documentation as data: its files, code blocks, commands and links."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = tuple(
    sorted(
        path.relative_to(ROOT)
        for pattern in ("*.md", "docs/*.md", "docs/adr/*.md", "docs/guide/*.md")
        for path in ROOT.glob(pattern)
    )
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `line` is where it begins."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a console block, and the output that is printed under it."""

    block: Block
    text: str
    output: str

    def __str__(self) -> str:
        return f"{self.block}: {self.text}"


def read(page: Path) -> str:
    """The text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[Block]:
    """The page's blocks of one language."""
    text = read(page)
    return [
        Block(page, text[: found.start()].count("\n") + 1, found[1], found[2])
        for found in _FENCE.finditer(text)
        if found[1] == language
    ]


def all_blocks(language: str) -> list[Block]:
    """Of every page."""
    return [block for page in PAGES for block in blocks(page, language)]


def commands(block: Block) -> list[Command]:
    """The lines that begin with `$ `, each with what follows it."""
    found = []
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        first, _, rest = part.partition("\n")
        text = re.sub(r"\s{2,}#.*$", "", first).strip()
        found.append(Command(block, text, rest.strip()))
    return found


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", read(page))
