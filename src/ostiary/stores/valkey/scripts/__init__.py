"""What happens in Valkey in one step, as Lua. A script is named by the digest of its text, so that servers of two
versions of this program can share one Valkey; whoever finds it unknown there sends the text along."""

import hashlib
from dataclasses import dataclass, field
from importlib import resources


@dataclass(frozen=True, slots=True)
class Script:
    """`reads`: it changes nothing, so asking twice does no harm."""

    text: str = field(repr=False)
    digest: str
    reads: bool


def _load(name: str, *, flags: str = "", reads: bool = False, before: str = "") -> Script:
    folder = resources.files(__name__)
    parts = [folder.joinpath(f"{part}.lua").read_text(encoding="utf-8") for part in (before, name) if part]
    given = "no-writes" if reads else flags
    text = f"#!lua{' flags=' if given else ''}{given}\n{''.join(parts)}"
    digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return Script(text=text, digest=digest, reads=reads)


WRITE = _load("write", before="memberships")
PREPARE = _load("prepare")
PROBE = _load("probe")
TOUCH = _load("touch", before="memberships")
PURGE = _load("purge", before="memberships", flags="allow-oom")
PURGE_LOG = _load("purge_log", flags="allow-oom")
BEHIND = _load("behind", reads=True)
LEAVE = _load("leave")
FIND = _load("find", reads=True)
PAGE = _load("page", reads=True)
