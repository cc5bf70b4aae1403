"""Token Status Lists (draft-ietf-oauth-status-list): whether a token still holds, for verifiers that follow no feed.

The rules, in words:

1. A list is fetched for a token that is right in everything else, and only from the token's own issuer.
2. It counts if the issuer signed it, calls itself by the address that it was fetched from, and has not expired; for as
   long as it says (`ttl`), and never longer than five minutes.
3. A bit that is set, an index beyond the list's end, and a reference that cannot be read refuse the token. A list that
   cannot be had is no answer: then nothing is known.
"""

import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ostiary import jose, limits
from ostiary.clock import SYSTEM_CLOCK, Clock
from ostiary.jose.claims import read_date
from ostiary.jose.encoding import Unreadable, decode_bytes, decode_object
from ostiary.revocation.knowledge import Verdict
from ostiary.verifier.errors import CredentialRefused
from ostiary.verifier.fetching import Fetch
from ostiary.verifier.waiting import Flight

_TYPE = "statuslist+jwt"


class Reference(NamedTuple):
    """Which entry of which list is a token's."""

    uri: str
    idx: int


@dataclass(frozen=True, slots=True)
class _List:
    bits: int
    packed: bytes
    until: float

    def status(self, index: int) -> int | None:
        """None beyond the end. Entries are packed from the lowest bit of each byte on (section 4.1)."""
        at = index * self.bits
        return (self.packed[at >> 3] >> (at & 7)) & ((1 << self.bits) - 1) if at >> 3 < len(self.packed) else None


class StatusLists:
    """The lists of one issuer, as far as tokens have named them."""

    def __init__(self, issuer: str, fetch: Fetch, *, clock: Clock, leeway: float, required: bool = False) -> None:
        self._required = required
        self._below = f"{issuer.rstrip('/')}/"
        self._fetch = fetch
        self._clock = clock
        self._leeway = leeway
        self._lists: dict[str, _List] = {}
        self._flights: dict[str, Flight] = {}
        self._lock = threading.Lock()

    def reference_of(self, claims: Mapping[str, Any]) -> Reference | None:
        """None if the token names no list and need not. Raises CredentialRefused, also for a reference that is none of
        the issuer's."""
        if "status" not in claims:
            if self._required:
                raise CredentialRefused(private="names no status list")
            return None
        status = claims["status"]
        told = status.get("status_list") if isinstance(status, Mapping) else None
        uri, index = (told.get("uri"), told.get("idx")) if isinstance(told, Mapping) else (None, None)
        if not isinstance(uri, str) or not isinstance(index, int) or isinstance(index, bool) or index < 0:
            raise CredentialRefused(private="status is not understood")
        if not uri.startswith(self._below) or len(uri) > limits.URL_CHARS or "/../" in uri:
            raise CredentialRefused(private="its status list is not its issuer's")
        return Reference(uri, index)

    def judge(self, reference: Reference) -> Verdict:
        """By what is kept. Never waits."""
        known = self._lists.get(reference.uri)
        if known is None or self._clock.monotonic() >= known.until:
            return Verdict.UNKNOWN
        return Verdict.ACCEPTED if known.status(reference.idx) == 0 else Verdict.REFUSED

    def fetching(self, uri: str, keys: jose.KeySet) -> Flight:
        """A fetch of this list, begun or joined. Whoever waited asks `judge` again."""
        with self._lock:
            flight = self._flights.get(uri)
            if flight is not None and not flight.landed.done():
                return flight
            flight = self._flights[uri] = Flight()
        try:
            threading.Thread(target=self._run, args=(uri, keys, flight), name="ostiary-status", daemon=True).start()
        except RuntimeError:  # no more threads
            flight.landed.set_result(None)
        return flight

    def _run(self, uri: str, keys: jose.KeySet, flight: Flight) -> None:
        sent_at = self._clock.monotonic()
        try:
            document = self._fetch(uri, SYSTEM_CLOCK.monotonic() + limits.FETCH_SECONDS)
            found = self._read(document.body, uri, keys, sent_at)
        except Exception:  # noqa: BLE001 - whatever it is, those who wait must hear of it, and the next ones try again
            found = None
        with self._lock:
            self._flights.pop(uri, None)
            if found is not None:
                if len(self._lists) >= limits.STATUS_LISTS_KEPT:
                    self._lists.clear()
                self._lists[uri] = found
        flight.landed.set_result(None)

    def _read(self, body: bytes, uri: str, keys: jose.KeySet, sent_at: float) -> _List:
        """Sections 5.1 and 8.3. Raises whatever is wrong."""
        verified = jose.verify_signature(body.decode("ascii").strip(), keys, max_chars=limits.STATUS_LIST_CHARS)
        claims = decode_object(verified.payload)
        now = self._clock.wall()
        issued_at, expires_at = read_date(claims, "iat"), read_date(claims, "exp")
        if verified.header.type != _TYPE or claims.get("sub") != uri:
            raise Unreadable("not this list")
        if issued_at is None or issued_at > now + self._leeway or (expires_at is not None and now >= expires_at):
            raise Unreadable("not valid now")
        ttl = claims.get("ttl", limits.STATUS_LIST_KEPT_SECONDS)
        lst = claims.get("status_list")
        if not isinstance(ttl, int | float) or isinstance(ttl, bool) or not isinstance(lst, Mapping):
            raise Unreadable("ttl or status_list is not what it should be")
        bits, text = lst.get("bits"), lst.get("lst")
        if bits not in (1, 2, 4, 8) or isinstance(bits, bool) or not isinstance(text, str):
            raise Unreadable("status_list is not what it should be")
        inflating = zlib.decompressobj()
        packed = inflating.decompress(decode_bytes(text.encode("ascii")), limits.STATUS_LIST_BYTES)
        if not inflating.eof:
            raise Unreadable("broken off, or too large")
        # from when it was sent, and by what it says of its own age: somebody on the way may have kept it
        age = max(0.0, now - issued_at)
        kept = min(max(0.0, float(ttl) - age), limits.STATUS_LIST_KEPT_SECONDS)
        if expires_at is not None:
            kept = min(kept, expires_at - now)
        return _List(bits, packed, sent_at + max(kept, 1.0))
