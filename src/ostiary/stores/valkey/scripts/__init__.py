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


def _load(*names: str, flags: str = "", reads: bool = False) -> Script:
    folder = resources.files(__name__)
    parts = [folder.joinpath(f"{name}.lua").read_text(encoding="utf-8") for name in names]
    given = "no-writes" if reads else flags
    text = f"#!lua{' flags=' if given else ''}{given}\n{''.join(parts)}"
    digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return Script(text=text, digest=digest, reads=reads)


WRITE = _load("memberships", "judge", "act", "write")
PLEDGE = _load("memberships", "judge", "pledge")
SETTLE = _load("memberships", "judge", "act", "settle")
TOUCH = _load("memberships", "touch")
PURGE = _load("memberships", "purge", flags="allow-oom")
PURGE_LOG = _load("purge_log", flags="allow-oom")
PREPARE = _load("prepare")
PROBE = _load("probe")
ACKNOWLEDGE = _load("acknowledge")
CATCH_UP = _load("catch_up", reads=True)
BEHIND = _load("behind", reads=True)
DESCRIBE = _load("describe")
NODES = _load("nodes", reads=True)
LEAVE = _load("leave")
FIND = _load("find", reads=True)
PAGE = _load("page", reads=True)
LATEST = _load("latest", reads=True)
