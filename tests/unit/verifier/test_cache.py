"""The verified-token cache: how much it keeps, and who has to go."""

import sys
import tracemalloc
from typing import Any

from ostiary import jose
from ostiary.domain.caller import Caller
from ostiary.domain.session import Kind
from ostiary.verifier.cache import TokenCache

KEYS = jose.KeySet((jose.Key.generate("ES256", kid="one").public(),))
POLICY = jose.Policy(issuer="https://id.example", audience="https://api.example", type="at+jwt")
NOW = 1_800_000_000.0


def caller(account: str, session: str = "ses_1", **changes: Any) -> Caller:
    """As a verifier makes them: every string its own object."""
    values: dict[str, Any] = {
        "account_id": account, "session_id": session, "kind": Kind.STATELESS,
        "roles": frozenset(("user", "editor")), "scope": frozenset(("notes:read", "notes:write")),
        "audience": ("https://api.example",), "auth_time": NOW - 100.5, "expires_at": NOW + 300.5, "version": 1,
        "epoch": 0, "client_id": "ostiary",
    }  # fmt: skip
    return Caller(**(values | changes))


def put(cache: TokenCache, token: str, account: str, *, expires_at: float = NOW + 300, now: float = NOW) -> None:
    """A verified token of this account."""
    cache.put(token, caller(account), "one", keys=KEYS, policy=POLICY, expires_at=expires_at, now=now)


def new(text: str) -> str:
    """An object of its own, as one that comes out of a token."""
    return "".join(list(text))


def held(cache: TokenCache, tokens: list[str], now: float = NOW) -> list[str]:
    """Those that are still remembered."""
    return [token for token in tokens if cache.get(token, KEYS, POLICY, now) is not None]


def room_for(count: int) -> int:
    """A bound with room for so many tokens of four characters."""
    return -(-count * entry_bytes() * 16 // 15)


def entry_bytes() -> int:
    """What one of them takes."""
    return TokenCache(size=0).size_of("a-00", caller("a"))


def test_it_gives_back_what_it_was_given() -> None:
    """The same caller, until the very instant at which it expires."""
    cache = TokenCache(size=room_for(10))
    put(cache, "a-00", "a", expires_at=NOW + 10)
    entry = cache.get("a-00", KEYS, POLICY, NOW + 9.999)
    assert entry is not None
    assert (entry.caller, entry.kid) == (caller("a"), "one")
    assert cache.get("a-00", KEYS, POLICY, NOW + 10) is None
    assert cache.get("a-0", KEYS, POLICY, NOW) is None


def test_it_never_holds_more_than_its_bound() -> None:
    """Whatever comes, in whatever order and size, the count of bytes stays within, and returns to zero."""
    cache = TokenCache(size=room_for(20))
    for number in range(500):
        account = f"{number * 7919 % 31:02}"
        put(cache, "t" * (number * 37 % 900) + str(number), account)
        assert 0 < cache.bytes <= room_for(20)
    for token in list(cache._entries):
        cache.discard(token)
    assert (len(cache), cache.bytes) == (0, 0)
    assert not cache._tokens_of
    assert not cache._accounts_with


def test_one_account_with_many_valid_tokens_pushes_out_its_own() -> None:
    """A flood of distinct valid tokens by one account leaves everybody else's where they are."""
    cache = TokenCache(size=room_for(20))
    others = [f"{letter}-00" for letter in "bcdefghijk"]
    for token in others:
        put(cache, token, token[0])
    for number in range(1000):
        put(cache, f"a{number:03}", "a")
    assert held(cache, others) == others
    assert held(cache, [f"a{number:03}" for number in range(1000)]) == [f"a{number:03}" for number in range(990, 1000)]


def test_among_equals_the_one_remembered_longest_goes() -> None:
    """Accounts with one token each: first in, first out."""
    cache = TokenCache(size=room_for(3))
    tokens = [f"{letter}-00" for letter in "abcde"]
    for token in tokens:
        put(cache, token, token[0])
    assert held(cache, tokens) == tokens[2:]


def test_what_has_expired_goes_first() -> None:
    """Before anything that still counts."""
    cache = TokenCache(size=room_for(3))
    put(cache, "a-00", "a")
    put(cache, "b-00", "b", expires_at=NOW + 5)
    put(cache, "c-00", "c")
    put(cache, "d-00", "d", now=NOW + 5)
    assert held(cache, ["a-00", "b-00", "c-00", "d-00"], NOW + 5) == ["a-00", "c-00", "d-00"]
    assert len(cache) == 3


def test_what_is_put_again_counts_once() -> None:
    """Verified anew, it replaces itself."""
    cache = TokenCache(size=room_for(10))
    for _ in range(5):
        put(cache, "a-00", "a")
    assert (len(cache), cache.bytes) == (1, entry_bytes())


def test_no_room_at_all() -> None:
    """With no bytes nothing is kept; a token that is larger than the whole cache leaves the rest alone."""
    empty, small = TokenCache(size=0), TokenCache(size=room_for(2))
    put(empty, "a-00", "a")
    put(small, "a-00", "a")
    put(small, "b" * 4096, "b")
    assert (len(empty), len(small)) == (0, 1)
    put(small, "c-00", "c", expires_at=NOW)
    assert len(small) == 1


def test_ten_thousand_tokens_of_one_kibibyte_fit_into_25_megabytes() -> None:
    """By the interpreter's own count, and no fewer than we count."""
    cache = TokenCache(size=25_000_000)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(10_000):
            token = f"{number:05}" + "x" * 1019
            fresh = caller(
                new(f"acc_{number:022}"),
                new(f"ses_{number:022}"),
                roles=cache.share(frozenset((new("user"), new("editor")))),
                scope=cache.share(frozenset((new("notes:read"), new("notes:write")))),
                audience=cache.share((new("https://api.example"),)),
                client_id=cache.share(new("ostiary")),
                auth_time=NOW - number,
                expires_at=NOW + number,
            )
            cache.put(token, fresh, "one", keys=KEYS, policy=POLICY, expires_at=NOW + 300, now=NOW)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(cache) == 10_000
    assert sys.getsizeof(token) > 1024
    assert after - before <= 25_000_000
    assert after - before <= cache.bytes * 1.02


def test_what_callers_share_is_bounded_too() -> None:
    """Scopes that differ for every token fill a sixteenth of the room and no more; beyond it each pays for its own."""
    cache = TokenCache(size=160_000)
    for number in range(1000):
        cache.share(frozenset((f"scope-{number}",)))
    assert 9_000 < cache.bytes <= 10_000
    first, own = frozenset(("scope-0",)), frozenset(("scope-999",))
    assert cache.share(first) is not first
    assert cache.share(own) is own
    cache.clear()
    assert cache.bytes == 0
