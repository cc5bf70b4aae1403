"""M-63 at a resource server that follows no feed: Token Status Lists (draft-ietf-oauth-status-list, section 8.3)."""

import base64
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.verifier.issuer import ISSUER, FakeIssuer

from ostiary import jose, limits
from ostiary.verifier import CredentialRefused, Document, FetchFailed, Unavailable

URI = f"{ISSUER}/status-lists/0"


class Lists:
    """What the issuer says at `URI`, beside its keys."""

    def __init__(self, issuer: FakeIssuer) -> None:
        self.issuer = issuer
        self.set: set[int] = set()
        self.asked: list[str] = []
        self.down: Exception | None = None
        self.change: Callable[[dict[str, Any]], Any] = dict
        self.typ = "statuslist+jwt"
        self.key: jose.Key | None = None
        self.size = 1024

    def __call__(self, url: str, deadline: float) -> Document:
        """See `ostiary.verifier.Fetch`."""
        if "/status-lists/" not in url:
            return self.issuer.fetch(url, deadline)
        self.asked.append(url)
        if self.down is not None:
            raise self.down
        return Document(body=self.token().encode())

    def token(self) -> str:
        """The list, as it is now."""
        bits = bytearray(self.size // 8)
        for index in self.set:
            bits[index >> 3] |= 1 << (index & 7)
        now = int(self.issuer.clock.wall)
        lst = base64.urlsafe_b64encode(zlib.compress(bytes(bits), 9)).rstrip(b"=").decode()
        claims = {"sub": URI, "iat": now, "exp": now + 300, "ttl": 10, "status_list": {"bits": 1, "lst": lst}}
        key = self.key or self.issuer.keys[-1]
        return jose.sign(self.change(claims), key, typ=self.typ, max_chars=10**7)


@pytest.fixture
def lists(issuer: FakeIssuer) -> Lists:
    return Lists(issuer)


def named(idx: Any = 5, uri: Any = URI) -> dict[str, Any]:
    """The claim `status`."""
    return {"status_list": {"idx": idx, "uri": uri}}


def test_a_bit_that_is_set(issuer: FakeIssuer, lists: Lists) -> None:
    """The token is refused once the list that is kept has had its time; one fetch serves all tokens until then."""
    verifier = issuer.verifier(fetch=lists, check_status=True)
    one, other = issuer.token(jti="a", status=named(5)), issuer.token(jti="b", status=named(6))
    for _ in range(3):
        assert verifier.verify_sync(one).account_id == verifier.verify_sync(other).account_id == "acc_ada"
    assert lists.asked == [URI]
    lists.set.add(5)
    issuer.clock.advance(10)
    with pytest.raises(CredentialRefused):
        verifier.verify_sync(one)
    assert verifier.verify_sync(other).account_id == "acc_ada"
    assert lists.asked == [URI, URI]


@pytest.mark.anyio
async def test_the_same_on_an_event_loop(issuer: FakeIssuer, lists: Lists) -> None:
    """`verify` waits for the list without blocking the loop."""
    verifier = issuer.verifier(fetch=lists, check_status=True)
    assert (await verifier.verify(issuer.token(status=named(5)))).account_id == "acc_ada"
    lists.set.add(7)
    issuer.clock.advance(10)
    with pytest.raises(CredentialRefused):
        await verifier.verify(issuer.token(status=named(7)))


def test_unless_it_is_asked_for(issuer: FakeIssuer, lists: Lists) -> None:
    """Without `check_status` no list is fetched; with it, none for a token that names none."""
    lists.set.add(5)
    assert issuer.verifier(fetch=lists).verify_sync(issuer.token(status=named(5))).account_id == "acc_ada"
    assert issuer.verifier(fetch=lists, check_status=True).verify_sync(issuer.token()).account_id == "acc_ada"
    assert lists.asked == []


def test_where_one_is_required(issuer: FakeIssuer, lists: Lists) -> None:
    """With `require_status` a token that names no list is refused, remembered ones too; one that does is looked up."""
    verifier = issuer.verifier(fetch=lists, require_status=True)
    assert verifier.verify_sync(issuer.token(status=named(5))).account_id == "acc_ada"
    nameless = issuer.token()
    for _ in range(2):
        with pytest.raises(CredentialRefused):
            verifier.verify_sync(nameless)
    lists.set.add(7)
    issuer.clock.advance(10)
    with pytest.raises(CredentialRefused):
        verifier.verify_sync(issuer.token(status=named(7)))


@pytest.mark.parametrize(
    "status",
    [
        named(uri="https://evil.example/status-lists/0"), named(uri=f"{ISSUER}.evil.example/0"), named(uri=ISSUER),
        named(uri=f"{ISSUER}/../x"), named(uri=5), named(uri=f"{ISSUER}/{'x' * 2040}"), named(idx=-1), named(idx="5"),
        named(idx=True), named(idx=1.5), {}, {"status_list": []}, [], "valid", 1,
    ],
)  # fmt: skip
def test_a_reference_that_cannot_be_meant(issuer: FakeIssuer, lists: Lists, status: Any) -> None:
    """It refuses the token, and nobody is asked: a token has no say in where we go."""
    verifier = issuer.verifier(fetch=lists, check_status=True)
    with pytest.raises(CredentialRefused):
        verifier.verify_sync(issuer.token(status=status))
    assert lists.asked == []


def test_a_forged_token_asks_nobody(issuer: FakeIssuer, lists: Lists) -> None:
    """Everything else is looked at first."""
    verifier = issuer.verifier(fetch=lists, check_status=True)
    for token in (
        issuer.token(key=jose.Key.generate("ES256", kid="one"), status=named()),
        issuer.token(exp=1, status=named()),
        issuer.token(aud="https://other.example", status=named()),
    ):
        with pytest.raises(CredentialRefused):
            verifier.verify_sync(token)
    assert lists.asked == []


def test_an_index_beyond_the_end(issuer: FakeIssuer, lists: Lists) -> None:
    """It refuses the token."""
    verifier = issuer.verifier(fetch=lists, check_status=True)
    assert verifier.verify_sync(issuer.token(jti="a", status=named(1023))).account_id == "acc_ada"
    for index in (1024, 2**62):
        with pytest.raises(CredentialRefused):
            verifier.verify_sync(issuer.token(jti=str(index), status=named(index)))


def test_wider_entries(issuer: FakeIssuer, lists: Lists) -> None:
    """Two bits an entry, as the draft's own example has them (section 4.1): only 0 is valid."""
    lists.change = lambda claims: claims | {"status_list": {"bits": 2, "lst": "eNo76fITAAPfAgc"}}
    verifier = issuer.verifier(fetch=lists, check_status=True)
    told = []
    for index in range(12):
        try:
            verifier.verify_sync(issuer.token(jti=str(index), status=named(index)))
            told.append(0)
        except CredentialRefused:
            told.append(1)
    assert told == [1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"sub": f"{ISSUER}/status-lists/1"}, {"sub": None}, {"exp": 1}, {"iat": None}, {"iat": 2 * 10**9},
        {"status_list": None}, {"status_list": {"bits": 3, "lst": "eNrbuRgAAhcBXQ"}}, {"ttl": "10"},
        {"status_list": {"bits": True, "lst": "eNrbuRgAAhcBXQ"}}, {"status_list": {"bits": 1, "lst": "!!"}},
        {"status_list": {"bits": 1, "lst": "AAAA"}}, {"status_list": {"bits": 1, "lst": "eNrbuRg"}},
    ],
)  # fmt: skip
def test_a_list_that_is_none(issuer: FakeIssuer, lists: Lists, wrong: dict[str, Any]) -> None:
    """It is no answer: 503, and nobody is logged out for it. When it can be had again, the token is accepted."""
    lists.change = lambda claims: {name: value for name, value in (claims | wrong).items() if value is not None}
    verifier, token = issuer.verifier(fetch=lists, check_status=True), issuer.token(status=named())
    with pytest.raises(Unavailable):
        verifier.verify_sync(token)
    lists.change = dict
    assert verifier.verify_sync(token).account_id == "acc_ada"


def test_a_list_of_somebody_elses(issuer: FakeIssuer, lists: Lists) -> None:
    """Signed by another key, of another type, or not there: 503."""
    verifier, token = issuer.verifier(fetch=lists, check_status=True), issuer.token(status=named())
    lists.key = jose.Key.generate("ES256", kid="one")
    with pytest.raises(Unavailable):
        verifier.verify_sync(token)
    lists.key, lists.typ = None, "at+jwt"
    with pytest.raises(Unavailable):
        verifier.verify_sync(token)
    lists.typ, lists.down = "statuslist+jwt", FetchFailed("down")
    with pytest.raises(Unavailable):
        verifier.verify_sync(token)
    lists.down = None
    assert verifier.verify_sync(token).account_id == "acc_ada"


def test_what_is_kept_grows_too_old(issuer: FakeIssuer, lists: Lists) -> None:
    """A list that cannot be fetched anew is not believed for longer: 503 for tokens that were remembered, too."""
    verifier, token = issuer.verifier(fetch=lists, check_status=True), issuer.token(status=named())
    assert verifier.verify_sync(token).account_id == "acc_ada"
    lists.down = FetchFailed("down")
    issuer.clock.advance(9)
    assert verifier.verify_sync(token).account_id == "acc_ada"
    issuer.clock.advance(1)
    with pytest.raises(Unavailable):
        verifier.verify_sync(token)


@pytest.mark.parametrize("wrong", [ConnectionError("a client's own"), RuntimeError(), OverflowError()])
def test_whatever_goes_wrong_is_heard_of(issuer: FakeIssuer, lists: Lists, wrong: Exception) -> None:
    """A way to fetch that raises what it should not is 503 as well, and the next request tries again."""
    verifier, token = issuer.verifier(fetch=lists, check_status=True), issuer.token(status=named())
    lists.down = wrong
    with pytest.raises(Unavailable):
        verifier.verify_sync(token)
    lists.down = None
    assert verifier.verify_sync(token).account_id == "acc_ada"


def test_a_bomb(issuer: FakeIssuer, lists: Lists, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is more than the bound when it is unpacked is not unpacked."""
    monkeypatch.setattr(limits, "STATUS_LIST_BYTES", 100)
    verifier = issuer.verifier(fetch=lists, check_status=True)
    with pytest.raises(Unavailable):
        verifier.verify_sync(issuer.token(status=named()))


def test_what_is_kept_is_bounded(issuer: FakeIssuer, lists: Lists) -> None:
    """However many lists tokens name."""
    verifier = issuer.verifier(fetch=lists, check_status=True)
    for number in range(limits.STATUS_LISTS_KEPT + 10):
        uri = f"{ISSUER}/status-lists/{number}"
        lists.change = lambda claims, uri=uri: claims | {"sub": uri}  # type: ignore[misc]
        verifier.verify_sync(issuer.token(jti=str(number), status=named(uri=uri)))
    assert verifier._recognition._status is not None
    assert len(verifier._recognition._status._lists) <= limits.STATUS_LISTS_KEPT
