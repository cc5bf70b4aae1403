"""English: the demonstration."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "demo.title": "Two devices, one account",
        "demo.lead": "Both are signed in as Alice. End one from the other, and see how long each service goes on "
        "accepting it.",
        "demo.absent": "One ends the other, and the page shows after how many milliseconds each service refuses it. "
        "That takes accounts and services made for it, which this server does not have. This command starts them:",
        "demo.noscript": "The demonstration needs JavaScript: two devices in one page are two tokens in its memory. "
        "The commands that the terminal printed show the same.",
        "demo.device.a": "Laptop",
        "demo.device.b": "Phone",
        "demo.kind": "What it carries",
        "demo.kind.session": "a random token",
        "demo.kind.stateful": "a JWT that refers to the session",
        "demo.kind.stateless": "a JWT that says everything",
        "demo.log_in": "Sign in anew",
        "demo.end.a": "End the phone",
        "demo.end.b": "End the laptop",
        "demo.signed_out": "Signed out",
        "demo.accepted": "Accepted",
        "demo.ended": "Ended: refused",
        "demo.failed": "Refused: sign in anew",
        "demo.bytes": "{n} bytes with every request, as sent:",
        "demo.opaque": "It says nothing. Everything is on the server.",
        "demo.header": "Header",
        "demo.payload": "Payload, as anybody can read it",
        "demo.result": "Refused after",
        "demo.result.about": "Milliseconds from the answer of the ending call to the first refusal; each service is "
        "asked over and over. Bars are logarithmic.",
        "demo.summary": "Ended. The promise: refused everywhere within {bound} s.",
        "demo.refused": "{ms} ms",
        "demo.still": "accepted, for {time} more",
        "demo.over": "expired at last",
        "demo.not_refused": "not within 8 s",
        "demo.place.auth": "Auth server",
        "demo.place.auth.about": "Where the session lives.",
        "demo.place.notes": "Notes",
        "demo.place.notes.about": "An application behind it, in the same process.",
        "demo.place.reports": "Reports",
        "demo.place.reports.about": "Another process, without a store: public keys and the revocation feed.",
        "demo.place.downloads": "Downloads",
        "demo.place.downloads.about": "A file server in another process, asked with a one-time token of this login.",
        "demo.place.plain": "A plain JWT library",
        "demo.place.plain.about": "For contrast: the same account, checked by signature and expiry alone.",
        "demo.more": "Look further",
    }
)
