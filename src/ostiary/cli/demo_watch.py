"""What the demonstration does on behalf of its page: log devices in, end one, and watch every service refuse it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import httpx2
import msgspec

from ostiary import jose
from ostiary.clock import SYSTEM_CLOCK
from ostiary.domain.session import Kind
from ostiary.errors import InvalidToken, Unavailable

_PATIENCE = 8.0  # seconds after which a service counts as not having refused
_PAUSE = 0.002  # between two questions to one service
_FILE = "report.txt"


class Place(Enum):
    """Who has to refuse."""

    AUTH = "auth"
    NOTES = "notes"
    REPORTS = "reports"
    DOWNLOADS = "downloads"


class Segment(msgspec.Struct, frozen=True):
    """What a part of a token says, as JSON text."""

    name: str
    text: str


class Device(msgspec.Struct, frozen=True):
    """One device as its page shows it. `wire` is the length in bytes of the header that each request sends. `plain` is
    a JWT of the same life, as a library without a server makes it, for contrast."""

    session: str
    kind: str
    token: str
    wire: int
    segments: list[Segment]
    plain: str
    plain_expires_at: int


class Refusal(msgspec.Struct, frozen=True):
    """After how many milliseconds a service refused; None if it did not while it was watched."""

    place: str
    milliseconds: float | None


class Ending(msgspec.Struct, frozen=True):
    """What ending one device did."""

    ended: int
    bound: float
    refusals: list[Refusal]


@dataclass(slots=True, kw_only=True)
class Stage:
    """The servers of the demonstration, by their addresses, and the account that both devices log in to."""

    issuer: str
    reports: str
    downloads: str
    username: str
    password: str = field(repr=False)
    http: httpx2.AsyncClient
    plain_key: jose.Key

    def address_of(self, place: Place) -> str:
        """For people."""
        return {
            Place.AUTH: self.issuer + "/v1/me",
            Place.NOTES: self.issuer + "/notes",
            Place.REPORTS: self.reports,
            Place.DOWNLOADS: self.downloads,
        }[place]

    async def log_in(self, kind: Kind) -> Device:
        """A new device, its token in hand."""
        body = {"username": self.username, "password": self.password, "kind": kind.value, "transport": "bearer"}
        answer = (await self._post("/v1/login", json=body)).json()
        token = answer["access_token"]
        now = int(SYSTEM_CLOCK.wall())
        expires_at = now + 300
        claims = {"iss": self.issuer, "aud": self.issuer, "sub": answer["account"]["id"], "iat": now, "exp": expires_at}
        return Device(
            session=answer["session"]["id"],
            kind=kind.value,
            token=token,
            wire=len(f"Authorization: Bearer {token}\r\n"),
            segments=_segments(token),
            plain=jose.sign(claims, self.plain_key, typ="JWT"),
            plain_expires_at=expires_at,
        )

    async def end_and_watch(self, *, by: str, session_id: str, token: str) -> Ending:
        """End a session with another device's token; then ask everybody, at once and over and over."""
        asking = await self._prepared(token)
        answer = await self.http.delete(f"{self.issuer}/v1/sessions/{session_id}", headers=_bearer(by))
        answered = SYSTEM_CLOCK.monotonic()
        if answer.status_code != 200:
            raise InvalidToken(private=f"the end was refused: {answer.status_code}")
        found = await asyncio.gather(*(self._until_refused(place, ask, answered) for place, ask in asking.items()))
        ended = answer.json()
        return Ending(ended=ended["ended"], bound=ended["bound"], refusals=list(found))

    def plain_is_accepted(self, token: str) -> bool:
        """What a library says that knows a key and nothing else."""
        policy = jose.Policy(issuer=self.issuer, audience=self.issuer, type="JWT")
        try:
            jose.verify(token, self.plain_key, policy)
        except jose.TokenRejected:
            return False
        return True

    async def _prepared(self, token: str) -> "dict[Place, Callable[[], Awaitable[int]]]":
        """How each service is asked with what this device holds; services behind get what they would get anyway: an
        internal token, a one-time token."""
        own, internal = await asyncio.gather(self._one_time(token), self._internal(token))

        async def status(method: str, url: str, credential: str) -> int:
            return (await self.http.request(method, url, headers=_bearer(credential))).status_code

        return {
            Place.AUTH: lambda: status("GET", f"{self.issuer}/v1/me", token),
            Place.NOTES: lambda: status("GET", f"{self.issuer}/notes", token),
            Place.REPORTS: lambda: status("GET", self.reports, internal),
            # HEAD spends nothing: the token would still be good, if its session were
            Place.DOWNLOADS: lambda: status("HEAD", f"{self.downloads}/files/{_FILE}", own),
        }

    async def _one_time(self, token: str) -> str:
        body = {"audience": self.downloads, "action": "download", "resource": _FILE}
        return str((await self._post("/v1/one-time-tokens", json=body, headers=_bearer(token))).json()["token"])

    async def _internal(self, token: str) -> str:
        answer = await self.http.get(
            f"{self.issuer}/v1/forward-auth",
            params={"audience": self.reports},
            headers={**_bearer(token), "X-Original-Method": "GET"},
        )
        _check(answer)
        return str(answer.headers["authorization"]).partition(" ")[2]

    async def _until_refused(self, place: Place, ask: Callable[[], Awaitable[int]], answered: float) -> Refusal:
        while (waited := SYSTEM_CLOCK.monotonic() - answered) < _PATIENCE:
            if await ask() in (401, 403):
                milliseconds = (SYSTEM_CLOCK.monotonic() - answered) * 1000
                return Refusal(place=place.value, milliseconds=round(milliseconds, 1))
            await asyncio.sleep(min(_PAUSE, _PATIENCE - waited))
        return Refusal(place=place.value, milliseconds=None)

    async def _post(self, path: str, *, json: Any, headers: dict[str, str] | None = None) -> httpx2.Response:
        answer = await self.http.post(f"{self.issuer}{path}", json=json, headers=headers)
        _check(answer)
        return answer


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _check(answer: httpx2.Response) -> None:
    if answer.status_code == 401:
        raise InvalidToken(private="the demonstration's own request was refused")
    if not answer.is_success:
        raise Unavailable(private=f"{answer.request.url.path} answered {answer.status_code}")


def _segments(token: str) -> list[Segment]:
    """Header and payload of a JWT; a session token says nothing."""
    if token.count(".") != 2:
        return []
    read = jose.decode_unverified(token)
    return [
        Segment(name, msgspec.json.format(msgspec.json.encode(dict(members)), indent=2).decode())
        for name, members in (("header", read.header), ("payload", read.claims))
    ]
