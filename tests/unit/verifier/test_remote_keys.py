"""The key set of an issuer far away: when it is asked, and what happens when it does not answer."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.unit.jose.forge import large_rsa_jwk
from tests.unit.verifier.issuer import ISSUER, JWKS, METADATA, FakeIssuer

from ostiary import jose, limits
from ostiary.testing import FakeClock
from ostiary.verifier import CredentialRefused, Misconfigured, Refused, Unavailable
from ostiary.verifier.remote_keys import RemoteKeys
from ostiary.verifier.waiting import run_blocking


def stranger(kid: str, issuer: FakeIssuer) -> str:
    """A token of a key that nobody has published."""
    return issuer.token(key=jose.Key.generate("ES256", kid=kid))


def landed(issuer: FakeIssuer) -> None:
    """Wait until fetches that run behind are over."""
    for thread in threading.enumerate():
        if thread.name == "ostiary-keys":
            thread.join(30)


def test_discovery_then_keys_then_nothing(issuer: FakeIssuer) -> None:
    """Two documents are fetched once; later requests cause no I/O."""
    verifier = issuer.verifier()
    for number in range(5):
        assert verifier.verify_sync(issuer.token(jti=str(number)))
    assert issuer.fetched == [METADATA, JWKS]


def test_keys_at_a_given_address(issuer: FakeIssuer) -> None:
    """With `jwks_uri` nothing is discovered."""
    assert issuer.verifier(jwks_uri=JWKS).verify_sync(issuer.token())
    assert issuer.fetched == [JWKS]


@pytest.mark.parametrize("kid", ["../../dev/null", "' OR 1=1 --", "__class__", "x" * 256])
def test_a_key_id_is_a_name_and_nothing_else(issuer: FakeIssuer, kid: str) -> None:
    """Flaw class 11: an exact look-up; no path, no query."""
    with pytest.raises(CredentialRefused) as refused:
        issuer.verifier().verify_sync(stranger(kid, issuer))
    assert refused.value.private == "unknown_key"


def test_flaw_55_a_thousand_unknown_keys_cause_one_fetch(issuer: FakeIssuer) -> None:
    """Flaw class 55: at most one fetch in a cooldown, whatever the tokens say; good tokens are served all the while."""
    verifier = issuer.verifier()
    good = issuer.token()
    verifier.verify_sync(good)
    issuer.clock.advance(60)
    key = jose.Key.generate("ES256")
    material = key.to_jwk(private=True)
    for number in range(1000):
        forged = jose.Key.from_jwk({**material, "kid": f"random-{number}"})
        with pytest.raises(Refused):
            verifier.verify_sync(issuer.token(key=forged))
        assert verifier.verify_sync(good)
    assert issuer.key_fetches == 2
    issuer.clock.advance(limits.KEY_SET_COOLDOWN)
    with pytest.raises(Refused):
        verifier.verify_sync(stranger("one-more", issuer))
    assert issuer.key_fetches == 3


def test_a_new_key_is_picked_up_by_its_first_token(issuer: FakeIssuer) -> None:
    """Rotation without notice: the first token under a new key, or a new algorithm, fetches the set."""
    verifier = issuer.verifier()
    verifier.verify_sync(issuer.token())
    issuer.clock.advance(60)
    issuer.rotate("two")
    assert verifier.verify_sync(issuer.token())
    issuer.clock.advance(60)
    issuer.keys = [jose.Key.generate("EdDSA", kid="three")]
    assert verifier.verify_sync(issuer.token())
    assert issuer.key_fetches == 3


def test_flaw_55_a_failed_fetch_keeps_the_old_set(issuer: FakeIssuer) -> None:
    """Flaw class 55: an unknown key while the issuer is down is 503, since nobody knows; known keys go on."""
    verifier = issuer.verifier()
    verifier.verify_sync(issuer.token())
    issuer.down = True
    issuer.clock.advance(60)
    for _ in range(3):
        with pytest.raises(Unavailable):
            verifier.verify_sync(stranger("new", issuer))
        assert verifier.verify_sync(issuer.token(jti="another"))
    assert issuer.key_fetches == 2


def test_stale_keys_until_they_are_too_old_then_503_then_well_again(issuer: FakeIssuer) -> None:
    """Server down: its keys are used for `max_stale` seconds, then it is 503, and a moment after it is back all is
    well. Tokens that are remembered are no exception."""
    verifier = issuer.verifier(max_stale=900)
    long = issuer.token(exp=int(issuer.clock.wall) + 10_000)
    verifier.verify_sync(long)
    issuer.down = True
    while issuer.clock.monotonic < 1000 + 900 - 7:
        issuer.clock.advance(7)
        assert verifier.verify_sync(long)
        assert verifier.verify_sync(issuer.token(jti=str(issuer.clock.wall)))
        landed(issuer)
    issuer.clock.advance(7)
    for token in (long, issuer.token(jti="last")):
        with pytest.raises(Unavailable) as unknown:
            verifier.verify_sync(token)
        assert 1 <= unknown.value.retry_after <= limits.KEY_SET_COOLDOWN
    issuer.down = False
    issuer.clock.advance(unknown.value.retry_after)
    assert verifier.verify_sync(long)


def test_while_the_issuer_is_down_nobody_waits(issuer: FakeIssuer) -> None:
    """With stale keys in hand a request that finds the issuer silent does not wait for it."""
    verifier = issuer.verifier()
    token = issuer.token(exp=int(issuer.clock.wall) + 10_000)
    verifier.verify_sync(token)
    issuer.down = True
    issuer.clock.advance(301)
    assert verifier.verify_sync(token)
    issuer.clock.advance(60)
    issuer.hold = threading.Event()
    try:
        assert verifier.verify_sync(token)  # would hang if it waited
    finally:
        issuer.hold.set()
        landed(issuer)


def test_remembered_tokens_do_not_keep_a_revoked_key_alive(issuer: FakeIssuer) -> None:
    """A process that only ever sees tokens it remembers still fetches the keys anew, and then refuses."""
    verifier = issuer.verifier(cache_seconds=10_000)
    token = issuer.token(exp=int(issuer.clock.wall) + 10_000)
    verifier.verify_sync(token)
    issuer.rotate("two")
    issuer.clock.advance(300)
    with pytest.raises(CredentialRefused):
        verifier.verify_sync(token)


def test_refresh_before_expiry_makes_nobody_wait(issuer: FakeIssuer) -> None:
    """From 80 % of the set's life on, the first request starts a fetch and is served with the keys at hand."""
    verifier = issuer.verifier()
    verifier.verify_sync(issuer.token())
    issuer.hold = threading.Event()
    issuer.clock.advance(240)
    assert verifier.verify_sync(issuer.token(jti="while it is under way"))
    assert verifier.verify_sync(issuer.token(jti="and another"))
    issuer.hold.set()
    landed(issuer)
    assert issuer.key_fetches == 2
    issuer.clock.advance(200)
    assert verifier.verify_sync(issuer.token())
    assert issuer.key_fetches == 2


def test_one_fetch_for_all_threads(issuer: FakeIssuer) -> None:
    """Single flight: fifty threads that need keys share one fetch."""
    issuer.hold = threading.Event()
    verifier = issuer.verifier(jwks_uri=JWKS)
    with ThreadPoolExecutor(50) as pool:
        callers = [pool.submit(verifier.verify_sync, issuer.token(jti=str(number))) for number in range(50)]
        assert issuer.arrived.acquire(timeout=30)
        issuer.hold.set()
        assert {caller.result(30).account_id for caller in callers} == {"acc_ada"}
    assert issuer.key_fetches == 1


@pytest.mark.anyio
async def test_one_fetch_for_all_tasks_and_one_who_gives_up(issuer: FakeIssuer) -> None:
    """Fifty tasks share one fetch; a client that hangs up cancels it for nobody else."""
    issuer.hold = threading.Event()
    verifier = issuer.verifier(jwks_uri=JWKS)
    tasks = [asyncio.create_task(verifier.verify(issuer.token(jti=str(number)))) for number in range(50)]
    await asyncio.to_thread(issuer.arrived.acquire, timeout=30)
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    issuer.hold.set()
    assert {caller.account_id for caller in await asyncio.gather(*tasks[1:])} == {"acc_ada"}
    assert issuer.key_fetches == 1


@pytest.mark.anyio
async def test_the_event_loop_goes_on_while_keys_are_fetched(issuer: FakeIssuer) -> None:
    """The fetch is in a thread: it is this loop that lets it finish."""
    issuer.hold = threading.Event()
    waiting = asyncio.create_task(issuer.verifier().verify(issuer.token()))
    await asyncio.to_thread(issuer.arrived.acquire, timeout=30)
    issuer.hold.set()
    assert await waiting


def test_a_slow_old_answer_never_overwrites_a_newer_one(issuer: FakeIssuer, clock: FakeClock) -> None:
    """The first fetch hangs beyond its deadline; a second one brings newer keys; then the first one comes in."""
    keys = RemoteKeys(ISSUER, issuer.fetch, clock=clock.clock, jwks_uri=JWKS)
    slow = issuer.hold = threading.Event()
    first = next(keys.keys())
    assert issuer.arrived.acquire(timeout=30)
    issuer.rotate("two")
    issuer.hold = None
    clock.advance(limits.FETCH_SECONDS)
    assert [key.kid for key in run_blocking(keys.keys())] == ["two"]
    slow.set()
    first.wait_blocking()
    landed(issuer)
    assert [key.kid for key in run_blocking(keys.keys())] == ["two"]
    assert issuer.key_fetches == 2


@pytest.mark.parametrize(
    "jwks",
    [
        b"", b"[]", b"{}", b'{"keys":{}}', b"<html>", b'{"keys":[1]}', b'{"keys":[],"keys":[]}',
        b'{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","kid":"one","x":"AA","y":"AA"}]}',
        b'{"keys":[{"kty":"oct","alg":"HS256","kid":"one","k":"' + b"A" * 43 + b'"}]}',
        b'{"keys":[' + b" " * limits.DOCUMENT_BYTES + b"]}",
    ],
)  # fmt: skip
def test_a_key_set_that_cannot_be_used_replaces_none(issuer: FakeIssuer, jwks: bytes) -> None:
    """What cannot be read, is broken or would let anybody sign is a failed fetch, and the set that we have stays."""
    verifier = issuer.verifier()
    verifier.verify_sync(issuer.token())
    issuer.jwks = lambda: jwks
    issuer.clock.advance(301)
    assert verifier.verify_sync(issuer.token())
    with pytest.raises(Unavailable):
        issuer.verifier().verify_sync(issuer.token())


def test_flaw_15_a_published_key_that_takes_long_to_verify(issuer: FakeIssuer) -> None:
    """An RSA key of 4096 bits is taken; a set with a larger one is a failed fetch, and what is wrong is said."""
    own = issuer.keys[0].public().to_jwk()
    for bits in (4096, 4097, 16384):
        issuer.jwks = lambda size=bits: json.dumps({"keys": [own, {**large_rsa_jwk(size), "kid": "large"}]}).encode()
        verifier = issuer.verifier()
        if bits == 4096:
            assert verifier.verify_sync(issuer.token())
            continue
        with pytest.raises(Unavailable) as refused:
            verifier.verify_sync(issuer.token())
        assert "4096 bits" in refused.value.private


def test_two_keys_of_one_name(issuer: FakeIssuer) -> None:
    """Flaw class 12: such a set is refused whole."""
    issuer.keys = [jose.Key.generate("ES256", kid="one"), jose.Key.generate("ES256", kid="one")]
    with pytest.raises(Unavailable):
        issuer.verifier().verify_sync(issuer.token())


def test_an_issuer_that_trusts_no_key(issuer: FakeIssuer) -> None:
    """An empty set ends all trust at once, and is 503: whether a token is good cannot be known."""
    verifier = issuer.verifier()
    token = issuer.token()
    verifier.verify_sync(token)
    issuer.jwks = lambda: b'{"keys":[]}'
    issuer.clock.advance(299)
    verifier.verify_sync(token)
    landed(issuer)
    with pytest.raises(Unavailable):
        verifier.verify_sync(token)


def test_keys_without_an_algorithm(issuer: FakeIssuer) -> None:
    """Flaw class 4: passed over, unless the verifier states what they are for; a token never does."""
    jwk = {name: value for name, value in issuer.keys[0].public().to_jwk().items() if name != "alg"}
    issuer.jwks = lambda: json.dumps({"keys": [jwk]}).encode()
    with pytest.raises(Unavailable):
        issuer.verifier().verify_sync(issuer.token())
    assert issuer.verifier(algorithm="ES256").verify_sync(issuer.token())


def test_metadata_is_looked_at_again_when_the_keys_have_moved(issuer: FakeIssuer) -> None:
    """A key set that is gone from where it was is looked for where the metadata says now."""
    issuer.metadata["jwks_uri"] = f"{ISSUER}/nowhere"
    verifier = issuer.verifier()
    with pytest.raises(Unavailable):
        verifier.verify_sync(issuer.token())
    issuer.metadata["jwks_uri"] = JWKS
    issuer.clock.advance(2)
    assert verifier.verify_sync(issuer.token())


def test_foreign_exceptions_of_a_fetch_are_a_failure(issuer: FakeIssuer) -> None:
    """Whatever a handed-in fetch raises, those who wait hear of it, and only as Unavailable."""

    def broken(url: str, deadline: float) -> Any:
        raise ZeroDivisionError

    with pytest.raises(Unavailable) as unknown:
        issuer.verifier(fetch=broken).verify_sync(issuer.token())
    assert unknown.value.private == "ZeroDivisionError"


@pytest.mark.parametrize("algorithm", ["none", "", "rs256", "HS256", "RSA-OAEP-256"])
def test_an_algorithm_that_no_public_key_has_is_told_at_once(issuer: FakeIssuer, algorithm: str) -> None:
    """A setting that can never work is refused when the verifier is made, and not with 503 at each request."""
    with pytest.raises(Misconfigured):
        issuer.verifier(algorithm=algorithm)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "data:application/json,{}", "ftp://id.example/k", "http://id.example/k",
        "https://user@id.example/k", "https://user:secret@id.example/k", "https://id.example/k#x", "https:///k",
        "//id.example/k", "https://id.example:99999/k", "https://id.example/a b", "https://id.example\\@evil/k",
        "https://id.example/\r\nX: y", "http://127.0.0.1.evil.example/k", "http://127.1/k", "javascript:1", "",
        "https://[::1", "https://id%2eexample/k", "http://localhost.evil.example/", "https://ïd.example/",
    ],
)  # fmt: skip
def test_addresses_that_are_never_asked(issuer: FakeIssuer, url: str) -> None:
    """Flaw class 10: https, or http on this machine; no user names, fragments, tricks of spelling. Neither from the
    operator nor from the issuer's metadata."""
    with pytest.raises(Misconfigured):
        issuer.verifier(jwks_uri=url)
    issuer.metadata["jwks_uri"] = url
    with pytest.raises(Unavailable):
        issuer.verifier().verify_sync(issuer.token())
    assert issuer.fetched == [METADATA]


@pytest.mark.anyio
async def test_background_refresh(issuer: FakeIssuer) -> None:
    """Once started, a verifier without any traffic keeps its keys fresh; stopped, nothing of it runs."""

    def slowly() -> bytes:
        if issuer.key_fetches == 1:
            issuer.clock.advance(241)  # as if it had taken so long: the set is due again when it arrives
        return issuer._jwks()

    issuer.jwks = slowly
    verifier = issuer.verifier(jwks_uri=JWKS)
    await verifier.start()
    assert issuer.key_fetches >= 1
    assert await asyncio.to_thread(issuer.arrived.acquire, timeout=30)
    assert await asyncio.to_thread(issuer.arrived.acquire, timeout=30)
    await verifier.stop()
    assert issuer.key_fetches == 2
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "ostiary-verifier"]
