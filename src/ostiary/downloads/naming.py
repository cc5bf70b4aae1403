"""What a file is called and what it is, on the wire. RFC 6266, RFC 8187. Pure."""

from mimetypes import MimeTypes
from urllib.parse import quote

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
