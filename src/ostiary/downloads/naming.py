"""What a file is called and what it is, on the wire. RFC 6266, RFC 8187. Pure."""

from mimetypes import MimeTypes
from urllib.parse import quote

from ostiary.downloads.conditions import Validators
from ostiary.downloads.files import OpenFile

_TYPES = MimeTypes()  # Python's own table: not what this machine happens to have installed
_PACKED = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
    "br": "application/x-br",
}
_UNKNOWN = "application/octet-stream"
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 !#$&'()+,-.;=@[]^_`{}~")
_UNRESERVED = "!#$&+-.^_`|~"  # `attr-char` of RFC 8187 section 3.2.1 beyond letters and digits


def content_disposition(name: str) -> str:
    """`attachment`, with a name that every client can read: plain ASCII, and the true one beside it where they differ.
    Everything is a download here, so nothing that a file contains is ever shown as a page of this site."""
    fallback = "".join(char if char in _PLAIN else "_" for char in name)
    plain = f'attachment; filename="{fallback}"'
    return plain if fallback == name else f"{plain}; filename*=UTF-8''{quote(name, safe=_UNRESERVED)}"


def media_type(name: str) -> str:
    """By the name's ending; what was packed is called after its packing."""
    kind, packing = _TYPES.guess_type(name.rpartition("/")[2].replace(":", "_"), strict=True)
    if packing is not None:
        return _PACKED.get(packing, _UNKNOWN)
    return kind or _UNKNOWN


def name_of(resource: str) -> str:
    """The last part of its path."""
    return resource.rpartition("/")[2]


def validators_of(file: OpenFile) -> Validators:
    """What names the content that this file has now."""
    return Validators(etag=f'"{file.version}"', modified=file.modified_ns // 1_000_000_000)


def described(file: OpenFile, name: str) -> list[tuple[str, str]]:
    """The header fields that say what it is."""
    validators = validators_of(file)
    return [
        ("Content-Type", media_type(name)),
        ("Content-Disposition", content_disposition(name)),
        ("ETag", validators.etag),
        ("Last-Modified", validators.last_modified),
        ("Accept-Ranges", "bytes"),
    ]
