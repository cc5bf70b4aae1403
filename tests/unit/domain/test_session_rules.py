"""When a session is live, to the instant, and who has to go when there are too many."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.domain.session import (
    Kind,
    Lifetimes,
    Transport,
    default_transport,
    oldest_beyond_cap,
)
from ostiary.testing.builders import NOW, session

steady = settings(derandomize=True, deadline=None, database=None)
SESSION = session(last_seen_at=NOW, idle_lifetime=100.0, expires_at=NOW + 250.0, everything=3)


@pytest.mark.parametrize(
    ("later", "live"), [(0.0, True), (99.999, True), (100.0, False), (250.0, False), (1e9, False), (-50.0, True)]
)
def test_idle_is_half_open(later: float, live: bool) -> None:
    """At the very instant it is over."""
    assert SESSION.is_live(NOW + later, 3) is live


@pytest.mark.parametrize(("later", "live"), [(249.999, True), (250.0, False)])
def test_the_end_is_half_open_too(later: float, live: bool) -> None:
    """Use does not move the end."""
    used = replace(SESSION, last_seen_at=NOW + 249.0)

    assert used.idle_expires_at == NOW + 250.0
    assert used.is_live(NOW + later, 3) is live


def test_ended_is_ended() -> None:
    """Whatever the times say, and whatever the count of everything."""
    assert not replace(SESSION, ended_at=NOW + 5).is_live(NOW, 3)
    assert not SESSION.is_live(NOW, 4)
    assert not SESSION.is_live(NOW, 2)


@steady
@given(st.floats(0, 500), st.floats(0, 500))
def test_time_revives_nothing(first: float, second: float) -> None:
    """Once over, over at every later instant."""
    early, late = sorted((first, second))

    assert SESSION.is_live(NOW + early, 3) or not SESSION.is_live(NOW + late, 3)


@steady
@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 25))
def test_the_cap(began: list[int], cap: int) -> None:
    """With one more there are exactly as many as allowed, and nobody goes who began after one who stays."""
    live = [session(f"s{number}", created_at=NOW + at) for number, at in enumerate(began)]
    over = oldest_beyond_cap(live, cap)
    stay = [one for one in live if one not in over]

    assert len(stay) + 1 == min(len(live) + 1, cap)
    assert all(gone.created_at <= kept.created_at for gone in over for kept in stay)


def test_lifetimes_of_each_kind() -> None:
    """Remembered sessions may lie idle for as long as they live; no idle lifetime is longer than the whole."""
    lifetimes = Lifetimes(session_idle=100, session=50, remember=900, refresh_idle=300, refresh=200)

    assert lifetimes.of_session(Kind.SESSION, remembered=False) == (50, 50)
    assert lifetimes.of_session(Kind.SESSION, remembered=True) == (900, 900)
    for kind in (Kind.STATEFUL, Kind.STATELESS):
        assert lifetimes.of_session(kind, remembered=False) == (200, 200)
    assert Lifetimes().of_access_token(Kind.STATEFUL) == 900
    assert Lifetimes().of_access_token(Kind.STATELESS) == 300
    assert [default_transport(kind) for kind in Kind] == [Transport.COOKIE, Transport.BEARER, Transport.BEARER]
