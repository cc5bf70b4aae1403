"""The one place that reads and writes our cookies. RFC 6265bis; contract section 3."""

from collections.abc import Iterable

from ostiary.domain.session import Kind, Transport
from ostiary.errors import Malformed
from ostiary.services.issuing import Issued

SESSION = "ostiary_session"
REFRESH = "ostiary_refresh"
DEVICE = "ostiary_device"
DEVICE_SECONDS = 400 * 86_400  # the longest that browsers keep a cookie (RFC 6265bis section 5.5)


class Cookies:
    """Names and attributes for one deployment. `secure` False is for plain http on a host that is not loopback."""

    def __init__(self, *, secure: bool) -> None:
        prefix = "__Host-" if secure else ""
        self._flags = "; Path=/; Secure; HttpOnly" if secure else "; Path=/; HttpOnly"
        self.session = prefix + SESSION
        self.refresh = prefix + REFRESH
        self.device = prefix + DEVICE
        self.session_equals = (self.session + "=").encode()

    def session_of(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """The session cookie's value. Raises Malformed if it comes twice: then one of the two was planted."""
        found: str | None = None
        for name, value in headers:
            if name == b"cookie":
                found = self.session_in(value, found)
        return found

    def session_in(self, header: bytes, found: str | None) -> str | None:
        """The same for one `Cookie` header, `found` being what earlier ones held. The header is searched, not
        taken apart."""
        start = header.find(self.session_equals)
        while start >= 0:
            end = header.find(b";", start)
            end = len(header) if end < 0 else end
            before = header[:start].rstrip(b" \t")
            if not before or before.endswith(b";"):
                if found is not None:
                    raise Malformed("The session cookie was sent twice.")
                found = header[start + len(self.session_equals) : end].rstrip(b" \t").decode("latin-1")
            start = header.find(self.session_equals, end)
        return found

    def session_cookie_in(self, header: bytes) -> bytes:
        """The same as `name=value`, from a header that is written as browsers write it: b"" from any other."""
        before, equals, after = header.partition(self.session_equals)
        if self.session_equals in after or (before and not before.endswith(b"; ")):
            return b""
        return equals + after.partition(b";")[0]

    def value(self, headers: Iterable[tuple[bytes, bytes]], name: str) -> str | None:
        """The value of one of our other cookies; None if it is absent or ambiguous."""
        prefix = (name + "=").encode()
        found = [
            part.strip(b" \t")[len(prefix) :].decode("latin-1")
            for header, value in headers
            if header == b"cookie"
            for part in value.split(b";")
            if part.strip(b" \t").startswith(prefix)
        ]
        return found[0] if len(found) == 1 else None

    def issue(self, issued: Issued, now: float) -> list[str]:
        """`Set-Cookie` values for what a login or a refresh gives."""
        session = issued.session
        age = int(session.expires_at - now) if session.remembered else None
        lines: list[str] = []
        if session.transport is Transport.COOKIE:
            lines.append(self._line(self.session, issued.access_token, "Lax", age))
        if session.transport is not Transport.BEARER and session.kind is not Kind.SESSION and issued.refresh_token:
            same_site = "Strict" if session.transport is Transport.SPLIT else "Lax"
            lines.append(self._line(self.refresh, issued.refresh_token, same_site, age))
        if session.transport is not Transport.BEARER and issued.device_mark:
            # like the others it outlives the browser only where the login asked to be remembered
            lines.append(self._line(self.device, issued.device_mark, "Strict", DEVICE_SECONDS if age else None))
        return lines

    def clear(self) -> list[str]:
        """`Set-Cookie` values that remove what logs in."""
        return [self._line(self.session, "", "Lax", 0), self._line(self.refresh, "", "Lax", 0)]

    @staticmethod
    def one_of_each(lines: Iterable[str]) -> list[str]:
        """A response sets each cookie once (RFC 6265bis section 4.1): of several lines for one name the last counts."""
        return list({line.partition("=")[0]: line for line in lines}.values())

    def _line(self, name: str, value: str, same_site: str, max_age: int | None) -> str:
        age = "" if max_age is None else f"; Max-Age={max_age}"
        return f"{name}={value}{self._flags}; SameSite={same_site}{age}"
