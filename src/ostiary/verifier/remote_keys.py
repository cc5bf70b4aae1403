"""The issuer's key set, fetched and kept: one fetch at a time for all threads and event loops of the process.

A fetch runs in a thread of its own, so that it neither blocks a loop nor waits for a place in a pool that the
application has filled. When it happens is `freshness.py`'s affair; no token has a say in where.
"""

import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

from ostiary import limits
from ostiary.clock import SYSTEM_CLOCK, Clock
from ostiary.errors import Misconfigured, OstiaryError, Unavailable
from ostiary.jose import InvalidKey, KeySet
from ostiary.jose.material import algorithm_named
from ostiary.verifier.discovery import Metadata, discover
from ostiary.verifier.fetching import Fetch
from ostiary.verifier.freshness import Freshness, Step
from ostiary.verifier.urls import check_issuer, check_url
from ostiary.verifier.waiting import Flight, Steps

log = logging.getLogger("ostiary.verifier")


class _Numbered(Flight):
    """`number` as `Freshness` counts them."""

    def __init__(self, number: int, sent_at: float) -> None:
        super().__init__()
        self.number = number
        self.sent_at = sent_at


class RemoteKeys:
    """The keys of `issuer`, found by its metadata or at `jwks_uri`. `algorithm`: what keys are for that do not say it.
    Raises Misconfigured for addresses that are never asked."""

    def __init__(
        self,
        issuer: str,
        fetch: Fetch,
        *,
        clock: Clock,
        jwks_uri: str | None = None,
        algorithm: str | None = None,
        cooldown: float = limits.KEY_SET_COOLDOWN,
        max_stale: float = limits.KEY_SET_STALE_SECONDS,
    ) -> None:
        if jwks_uri is None:
            check_issuer(issuer)
        else:
            check_url(jwks_uri, "jwks_uri")
        if algorithm is not None:
            _check_algorithm(algorithm)
        self._load: Callable[[], _Loaded] = _Loader(issuer, jwks_uri, algorithm, fetch, clock)
        self._monotonic = clock.monotonic
        self._freshness = Freshness(cooldown=cooldown, max_stale=max_stale)
        self._lock = threading.Lock()
        self._flight: _Numbered | None = None
        self._why = ""

    def ready(self) -> KeySet | None:
        """The keys, if there is nothing to do for them: no lock, no I/O."""
        freshness = self._freshness
        return freshness.keys if self._monotonic() < freshness.refresh_at else None

    def keys(self) -> Steps[KeySet]:
        """The keys. Waits only if there are none that may be used as they are. Raises Unavailable."""
        with self._lock:
            now = self._monotonic()
            step = self._freshness.step(now)
            if step is Step.UNAVAILABLE:
                raise self._unavailable(now)
            flight = None if step is Step.USE else self._fly(now)
            if flight is None or step is Step.REFRESH:
                return self._present(now)
        yield flight
        with self._lock:
            self._overdue(flight)
            return self._present(self._monotonic())

    def keys_beyond(self, known: KeySet) -> Steps[KeySet]:
        """The keys, asked for anew because `known` lacks one; `known` again if it is not time to ask. Raises
        Unavailable if the issuer was asked and did not answer."""
        with self._lock:
            now = self._monotonic()
            present = self._present(now)
            if present is not known:
                return present
            if not self._freshness.may_ask(now):
                if self._freshness.failures:
                    raise self._unavailable(now)
                return known
            flight = self._fly(now)
        yield flight
        with self._lock:
            self._overdue(flight)
            now = self._monotonic()
            if self._freshness.failures:
                raise self._unavailable(now)
            return self._present(now)

    def due_in(self) -> float:
        """Seconds until the next fetch should be sent."""
        with self._lock:
            return max(self._freshness.refresh_at, self._freshness.retry_at) - self._monotonic()

    def _present(self, now: float) -> KeySet:
        keys = self._freshness.keys
        if keys is None or not self._freshness.usable(now):
            raise self._unavailable(now)
        return keys

    def _unavailable(self, now: float) -> Unavailable:
        wait = max(1, math.ceil(min(self._freshness.retry_at - now, limits.KEY_SET_SECONDS_MAX)))
        return Unavailable(private=self._why or "the issuer's keys could not be fetched", retry_after=wait)

    def _fly(self, now: float) -> _Numbered:
        if self._flight is not None and self._freshness.under_way(now):
            return self._flight
        if self._flight is not None:
            self._fail(self._flight, "no answer in time")
        self._flight = flight = _Numbered(self._freshness.begin(now), now)
        try:
            threading.Thread(target=self._run, args=(flight,), name="ostiary-keys", daemon=True).start()
        except RuntimeError:  # no more threads
            self._fail(flight, "no thread could be started")
            flight.landed.set_result(None)
        return flight

    def _run(self, flight: _Numbered) -> None:
        try:
            loaded = self._load()
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            why = error.private or str(error) if isinstance(error, OstiaryError) else type(error).__name__
            with self._lock:
                self._fail(flight, why)
        else:
            with self._lock:
                self._freshness.take(flight.number, loaded.keys, loaded.max_age, flight.sent_at)
                self._forget(flight)
        flight.landed.set_result(None)

    def _overdue(self, flight: _Numbered) -> None:
        if not flight.landed.done():
            self._fail(flight, "no answer in time")

    def _fail(self, flight: _Numbered, why: str) -> None:
        before = self._freshness.failures
        self._freshness.fail(flight.number, self._monotonic())
        self._forget(flight)
        if self._freshness.failures != before:
            self._why = why
            log.warning("the issuer's keys could not be fetched: %s", why)

    def _forget(self, flight: _Numbered) -> None:
        if self._flight is flight:
            self._flight = None


@dataclass(frozen=True, slots=True)
class _Loaded:
    keys: KeySet
    max_age: float | None


class _Loader:
    """Metadata, unless its address is known or given, then the key set."""

    def __init__(self, issuer: str, jwks_uri: str | None, algorithm: str | None, fetch: Fetch, clock: Clock) -> None:
        self._issuer = issuer
        self._given = jwks_uri
        self._algorithm = algorithm
        self._fetch = fetch
        self._monotonic = clock.monotonic
        self._found: tuple[str, float] | None = None  # where the keys are, and until when that is believed

    def __call__(self) -> _Loaded:
        deadline = SYSTEM_CLOCK.monotonic() + limits.FETCH_SECONDS
        try:
            document = self._fetch(self._given or self._discovered(deadline), deadline)
        except OstiaryError:
            self._found = None  # it may have moved
            raise
        keys = KeySet.from_jwks(document.body, self._algorithm)
        if any(key.algorithm.symmetric for key in keys):
            raise Unavailable(private="the issuer publishes a symmetric key, which nobody may trust")
        return _Loaded(keys, document.max_age)

    def _discovered(self, deadline: float) -> str:
        now = self._monotonic()
        if self._found is None or now >= self._found[1]:
            metadata: Metadata = discover(self._issuer, self._fetch, deadline)
            said = limits.KEY_SET_SECONDS if metadata.max_age is None else metadata.max_age
            kept = min(max(said, limits.KEY_SET_SECONDS_MIN), limits.METADATA_SECONDS_MAX)
            self._found = (metadata.jwks_uri, now + kept)
        return self._found[0]


def _check_algorithm(name: str) -> None:
    """One that no public key verifies with would refuse every key set. Raises Misconfigured."""
    try:
        usable = not algorithm_named(name).symmetric
    except InvalidKey:
        usable = False
    if not usable:
        raise Misconfigured("algorithm is one that public keys verify with, such as RS256.")
