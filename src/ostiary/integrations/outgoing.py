"""Calling other services, as the user or as oneself: authentication for clients of `httpx2`.

    outgoing = Outgoing(issuer="https://id.example.com", client=(client_id, client_secret))

    async with httpx2.AsyncClient() as http:
        await http.get(url, auth=outgoing.on_behalf_of(token_of_the_request, audience="https://b.example.com"))
        await http.get(url, auth=outgoing.as_itself(audience="https://b.example.com"))

A token is asked for when it is needed first, with the very client that makes the call, kept until shortly before it
expires, and then asked for anew; calls that need the same one at once share one request. Sync and async clients alike.
"""

import asyncio
import hashlib
import json
import math
import threading
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field

import httpx2

from ostiary import limits
from ostiary.clock import SYSTEM_CLOCK, Clock
from ostiary.domain.client import CLIENT_CREDENTIALS, TOKEN_EXCHANGE
from ostiary.errors import OstiaryError, Unavailable
from ostiary.verifier.issuer_client import client_of
from ostiary.verifier.urls import check_issuer, check_url

_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105
_EARLY = 10.0  # seconds before its end from which on a token is asked for anew
_Key = tuple[bytes, str, str]


class ExchangeRefused(OstiaryError):
    """The issuer gives no token. `oauth_code` is its own word; `status` is 401 if the user's token is not accepted any
    more, and 403 if the user may not have the scope (pass these on), else 502: this service is registered for something
    else."""

    code = "exchange_refused"
    status = 502
    title = "The issuer gives no token for that service"

    def __init__(self, oauth_code: str) -> None:
        super().__init__(private=f"the issuer says {oauth_code}")
        self.oauth_code = oauth_code
        self.status = {"invalid_grant": 401, "invalid_scope": 403}.get(oauth_code, 502)  # type: ignore[misc]


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    renew_at: float


class Outgoing:
    """Asks the issuer for tokens as `client`: (id, secret), (id, private key), or see `ostiary.verifier`. Raises
    Misconfigured."""

    def __init__(
        self, *, issuer: str, client: object, token_endpoint: str | None = None, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        check_issuer(issuer)
        self._issuer = issuer
        self._client = client_of(client)
        self._endpoint = token_endpoint or f"{issuer.rstrip('/')}/oauth/token"
        check_url(self._endpoint, "token endpoint")
        self._clock = clock
        self._tokens: dict[_Key, _Token] = {}
        self._locks: dict[tuple[_Key, int], tuple[asyncio.Lock, int]] = {}
        self._threads: dict[_Key, tuple[threading.Lock, int]] = {}
        self._guard = threading.Lock()

    def on_behalf_of(self, subject_token: str, *, audience: str, scope: str = "") -> httpx2.Auth:
        """As the user whose credential `subject_token` is: the one that came with the request at hand (RFC 8693)."""
        form = {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": subject_token,
            "subject_token_type": _ACCESS_TOKEN,
            "audience": audience,
        }
        key = (hashlib.sha256(subject_token.encode()).digest(), audience, scope)
        return _Bearer(self, key, form | ({"scope": scope} if scope else {}))

    def as_itself(self, *, audience: str, scope: str = "") -> httpx2.Auth:
        """As the service that this is (`client_credentials`)."""
        form = {"grant_type": CLIENT_CREDENTIALS, "audience": audience}
        return _Bearer(self, (b"", audience, scope), form | ({"scope": scope} if scope else {}))

    # --- For the two below ------------------------------------------------------------------------------------------

    def ready(self, key: _Key) -> str | None:
        """The token, if there is one that need not be renewed."""
        token = self._tokens.get(key)
        return token.text if token is not None and self._clock.monotonic() < token.renew_at else None

    def forget(self, key: _Key, text: str) -> None:
        """Somebody did not accept this one."""
        token = self._tokens.get(key)
        if token is not None and token.text == text:
            self._tokens.pop(key, None)

    def request(self, form: dict[str, str]) -> httpx2.Request:
        """What to ask the issuer."""
        proof = self._client.form(self._issuer, self._clock.wall())
        headers = {"Accept": "application/json"}
        if not proof:
            headers["Authorization"] = self._client.header(self._issuer, self._clock.wall())
        return httpx2.Request("POST", self._endpoint, data={**form, **proof}, headers=headers)

    def take(self, key: _Key, response: httpx2.Response, sent_at: float) -> str:
        """The token of the issuer's answer, kept. Raises ExchangeRefused, Unavailable."""
        try:
            body = json.loads(response.content)
            if response.status_code != 200:
                raise _refusal(response.status_code, body)
            text, lives = body["access_token"], float(body["expires_in"])
            if not isinstance(text, str) or not text or not math.isfinite(lives):
                raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            raise Unavailable(private=f"the issuer answered {response.status_code} with something else") from None
        if len(self._tokens) >= limits.OUTGOING_TOKENS:
            self._make_room()
        self._tokens[key] = _Token(text, sent_at + lives - min(_EARLY, lives / 2))
        return text

    def now(self) -> float:
        """Monotonic."""
        return self._clock.monotonic()

    def _make_room(self) -> None:
        now = self._clock.monotonic()
        for key in [key for key, token in list(self._tokens.items()) if now >= token.renew_at]:
            self._tokens.pop(key, None)
        for key in list(self._tokens)[: max(0, len(self._tokens) - limits.OUTGOING_TOKENS + 1)]:
            self._tokens.pop(key, None)

    def enter(self, key: _Key) -> asyncio.Lock:
        """The lock of this event loop's calls that need this token; to be left again."""
        name = (key, id(asyncio.get_running_loop()))
        lock, users = self._locks.get(name) or (asyncio.Lock(), 0)
        self._locks[name] = (lock, users + 1)
        return lock

    def leave(self, key: _Key) -> None:
        """See `enter`."""
        name = (key, id(asyncio.get_running_loop()))
        lock, users = self._locks.pop(name)
        if users > 1:
            self._locks[name] = (lock, users - 1)

    def enter_thread(self, key: _Key) -> threading.Lock:
        """The same for threads."""
        with self._guard:
            lock, users = self._threads.get(key) or (threading.Lock(), 0)
            self._threads[key] = (lock, users + 1)
            return lock

    def leave_thread(self, key: _Key) -> None:
        """See `enter_thread`."""
        with self._guard:
            lock, users = self._threads.pop(key)
            if users > 1:
                self._threads[key] = (lock, users - 1)


class _Bearer(httpx2.Auth):
    """Puts the token of `key` on a request. If the service does not accept it, once more with a new one: it may have
    been ended here and given anew there. A body that can be read only once (a generator, an open file) is sent once,
    and then 401 is the answer; the next request has a new token."""

    requires_response_body = True

    def __init__(self, outgoing: Outgoing, key: _Key, form: dict[str, str]) -> None:
        self._outgoing = outgoing
        self._key = key
        self._form = form

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        for attempt in (1, 2):
            text = self._outgoing.ready(self._key)
            if text is None:
                lock = self._outgoing.enter_thread(self._key)
                try:
                    with lock:
                        text = self._outgoing.ready(self._key)
                        if text is None:
                            sent_at = self._outgoing.now()
                            answer = yield self._outgoing.request(self._form)
                            answer.read()
                            text = self._outgoing.take(self._key, answer, sent_at)
                finally:
                    self._outgoing.leave_thread(self._key)
            request.headers["Authorization"] = f"Bearer {text}"
            response = yield request
            if response.status_code != 401 or attempt == 2:
                return
            self._outgoing.forget(self._key, text)
            if not _can_be_sent_again(request):
                return

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        for attempt in (1, 2):
            text = self._outgoing.ready(self._key)
            if text is None:
                lock = self._outgoing.enter(self._key)
                try:
                    async with lock:
                        text = self._outgoing.ready(self._key)
                        if text is None:
                            sent_at = self._outgoing.now()
                            answer = yield self._outgoing.request(self._form)
                            await answer.aread()
                            text = self._outgoing.take(self._key, answer, sent_at)
                finally:
                    self._outgoing.leave(self._key)
            request.headers["Authorization"] = f"Bearer {text}"
            response = yield request
            if response.status_code != 401 or attempt == 2:
                return
            self._outgoing.forget(self._key, text)
            if not _can_be_sent_again(request):
                return


def _can_be_sent_again(request: httpx2.Request) -> bool:
    """Whether its body is still there: bytes, or the parts of a form, and not what was read from somewhere."""
    fields = getattr(request.stream, "fields", None)
    if fields is None:
        return isinstance(request.stream, httpx2.ByteStream)
    return all(_can_be_read_again(getattr(field, "file", b"")) for field in fields)


def _can_be_read_again(file: object) -> bool:
    """Whether a file of a form is there as a whole, or can be read from its start once more."""
    seekable = getattr(file, "seekable", None)
    return isinstance(file, str | bytes) or (seekable is not None and bool(seekable()))


def _refusal(status: int, body: object) -> OstiaryError:
    if status in (429, 503):
        return Unavailable(private=f"the issuer answered {status}")
    code = body.get("error") if isinstance(body, dict) else None
    return ExchangeRefused(code if isinstance(code, str) else "something else")
