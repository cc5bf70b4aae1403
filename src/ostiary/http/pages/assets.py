"""Static files under URLs that name their content, so that they may be cached for ever."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
"""What the pages need and nothing more: scripts and styles of ours only, nothing inline, nothing from elsewhere, and no
text that a script could turn into markup."""

STATIC_CACHE_CONTROL = "public, max-age=31536000, immutable"
"""For static files only: another content has another URL."""

PUBLISHED = frozenset({"ostiary-client.js"})
"""What applications of others may import by its plain name."""

PUBLISHED_CACHE_CONTROL = "public, max-age=300"

_CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_URL_DIGITS = 12  # hexadecimal: 48 bits tell versions of one file apart


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """One file as it goes out. `etag` is a strong one with its quotes (RFC 9110 section 8.8.3)."""

    content: bytes
    content_type: str
    etag: str


def static_files() -> Mapping[str, StaticFile]:
    """Every static file by its path below the base path: `/static/ostiary.0f3c….css`."""
    return _load()[0]


def static_url(name: str, base_path: str = "") -> str:
    """The URL of the file that is called `name` in the source (`ostiary.css`). Raises KeyError if there is none."""
    return base_path + _load()[1][name]


@cache
def _load() -> tuple[Mapping[str, StaticFile], Mapping[str, str]]:
    files: dict[str, StaticFile] = {}
    paths: dict[str, str] = {}
    for entry in sorted(resources.files(__package__).joinpath("static").iterdir(), key=lambda found: found.name):
        stem, dot, suffix = entry.name.rpartition(".")
        content = entry.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        path = f"/static/{stem}.{digest[:_URL_DIGITS]}{dot}{suffix}"
        files[path] = StaticFile(content=content, content_type=_CONTENT_TYPES[dot + suffix], etag=f'"{digest[:32]}"')
        paths[entry.name] = path
    return MappingProxyType(files), MappingProxyType(paths)
