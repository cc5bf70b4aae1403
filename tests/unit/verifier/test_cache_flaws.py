"""What goes wrong with caches of verified tokens, one named test for each (flaw classes 55 to 57).

The first three are the defects of the best-known implementation; the others are confusion of tokens and pollution.
"""

import dataclasses

import pytest
from tests.unit.verifier.issuer import FakeIssuer
from tests.unit.verifier.test_remote_keys import landed

from ostiary import jose
from ostiary.revocation.entry import KEY_REVOKED, Entry, Scope
from ostiary.revocation.replica import Replica
from ostiary.testing import FakeClock
from ostiary.verifier import CredentialRefused, Unavailable


def test_defect_1_what_one_caller_changes_another_sees(issuer: FakeIssuer) -> None:
    """Aliasing: the shared result cannot be changed by any of those who share it."""
    verifier, token = issuer.verifier(), issuer.token()
    first = verifier.verify_sync(token)
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.roles = frozenset(("admin",))  # type: ignore[misc]
    with pytest.raises(AttributeError):
        first.roles.add("admin")  # type: ignore[attr-defined]
    for field in dataclasses.fields(first):
        assert isinstance(getattr(first, field.name), str | frozenset | tuple | float | int | None)
    second = verifier.verify_sync(token)
    assert second is first
    assert second.roles == {"user"}


def test_defect_2_refusals_are_stored(issuer: FakeIssuer) -> None:
    """A flood of forged, expired and foreign tokens leaves the cache exactly as it was."""
    verifier = issuer.verifier()
    good = [issuer.token(jti=str(number)) for number in range(10)]
    callers = [verifier.verify_sync(token) for token in good]
    before = (len(verifier._recognition._cache), verifier._recognition._cache.bytes)
    forger = jose.Key.generate("ES256", kid="one")
    for number in range(200):
        for bad in (
            issuer.token(jti=str(number), key=forger),
            issuer.token(jti=str(number), exp=1),
            issuer.token(jti=str(number), aud="https://other.example"),
            issuer.token(jti=str(number), roles="admin"),
            issuer.token(jti=str(number), cnf={"x5t#S256": "x"}),
            f"nonsense-{number}",
        ):
            with pytest.raises(CredentialRefused):
                verifier.verify_sync(bad)
    assert (len(verifier._recognition._cache), verifier._recognition._cache.bytes) == before
    assert all(verifier.verify_sync(token) is caller for token, caller in zip(good, callers, strict=True))


def test_defect_3_a_key_that_is_gone_is_still_accepted(issuer: FakeIssuer) -> None:
    """Once the verifier has a set without the key, what that key signed is refused at the very next call."""
    verifier = issuer.verifier()
    token = issuer.token()
    caller = verifier.verify_sync(token)
    assert verifier.verify_sync(token) is caller
    issuer.rotate("two")
    issuer.clock.advance(250)
    verifier.verify_sync(token)  # starts the refresh
    landed(issuer)
    with pytest.raises(CredentialRefused) as refused:
        verifier.verify_sync(token)
    assert refused.value.private == "unknown_key"
    assert len(verifier._recognition._cache) == 0


def test_a_key_of_the_same_name_that_is_another(issuer: FakeIssuer) -> None:
    """A new key under the old name does not vouch for what the old one signed."""
    verifier, token = issuer.verifier(), issuer.token()
    verifier.verify_sync(token)
    issuer.rotate("one")
    issuer.clock.advance(250)
    verifier.verify_sync(token)
    landed(issuer)
    with pytest.raises(CredentialRefused) as refused:
        verifier.verify_sync(token)
    assert refused.value.private == "invalid_signature"


def test_what_an_old_key_set_vouched_for_takes_no_room(issuer: FakeIssuer) -> None:
    """The first token under a new set makes room of all that was verified with the old one."""
    verifier = issuer.verifier()
    for number in range(20):
        verifier.verify_sync(issuer.token(jti=str(number)))
    issuer.rotate("two")
    issuer.clock.advance(60)
    verifier.verify_sync(issuer.token())
    assert len(verifier._recognition._cache) == 1


def test_an_unchanged_key_set_costs_nothing(issuer: FakeIssuer) -> None:
    """Fetched anew and found to be the same, it leaves what was verified in its place."""
    verifier, token = issuer.verifier(), issuer.token(exp=int(issuer.clock.wall) + 1000)
    caller = verifier.verify_sync(token)
    issuer.clock.advance(250)
    verifier.verify_sync(token)
    landed(issuer)
    assert issuer.key_fetches == 2
    assert verifier.verify_sync(token) is caller


def test_class_56_tokens_are_told_apart_letter_by_letter(issuer: FakeIssuer) -> None:
    """Confusion: no digest, no prefix, no builder of keys. A token that differs anywhere is another token."""
    verifier = issuer.verifier()
    ada, eve = issuer.token(), issuer.token(sub="acc_eve")
    assert verifier.verify_sync(ada).account_id == "acc_ada"
    assert verifier.verify_sync(eve).account_id == "acc_eve"
    assert verifier.verify_sync(ada).account_id == "acc_ada"
    head, body, signature = ada.split(".")
    for other in (
        f"{head}.{eve.split('.')[1]}.{signature}", f"{head}.{body}.", f"{ada}A", f"{ada}=", f"{ada} ", ada[:-1],
        f"{head}.{body}", ada.lower(), f"{ada}\x00", f"\ufeff{ada}",
    ):  # fmt: skip
        with pytest.raises(CredentialRefused):
            verifier.verify_sync(other)


def test_class_56_verifiers_do_not_share(issuer: FakeIssuer) -> None:
    """A changed policy: what one verifier has accepted says nothing to another with another audience or leeway."""
    first, second = issuer.verifier(), issuer.verifier(audience="https://other.example")
    token = issuer.token()
    assert first.verify_sync(token)
    with pytest.raises(CredentialRefused):
        second.verify_sync(token)


def test_a_changed_policy_counts_at_the_next_call(issuer: FakeIssuer) -> None:
    """An entry belongs to the policy that it was verified under, and to no equal or later one."""
    verifier, token = issuer.verifier(), issuer.token()
    assert verifier.verify_sync(token)
    verifier._recognition._policy = jose.Policy(issuer=issuer.issuer, audience="https://other.example", type="at+jwt")
    with pytest.raises(CredentialRefused):
        verifier.verify_sync(token)


def test_class_57_headers_that_nobody_signed_are_not_kept(issuer: FakeIssuer) -> None:
    """Pollution: a header is remembered after a good signature only."""
    verifier = issuer.verifier()
    verifier.verify_sync(issuer.token())
    keys = verifier._source.ready()
    assert keys is not None
    forger = jose.Key.generate("ES256", kid="one")
    for number in range(200):
        forged = jose.sign(issuer.claims(), forger, typ="at+jwt", headers={"x": number})
        with pytest.raises(CredentialRefused):
            verifier.verify_sync(forged)
    assert len(keys.headers) == 1


def test_expiry_counts_in_the_cache(issuer: FakeIssuer) -> None:
    """A remembered token expires at its `exp`, to the second, and is looked at anew after the cache's own time."""
    verifier = issuer.verifier(cache_seconds=60)
    token = issuer.token(exp=int(issuer.clock.wall) + 100)
    first = verifier.verify_sync(token)
    issuer.clock.advance(59.9)
    assert verifier.verify_sync(token) is first
    issuer.clock.advance(0.1)
    again = verifier.verify_sync(token)
    assert again == first
    assert again is not first
    issuer.clock.advance(40)
    with pytest.raises(CredentialRefused) as refused:
        verifier.verify_sync(token)
    assert refused.value.private == "expired: exp"
    assert len(verifier._recognition._cache) == 0


class Known:
    """Revocations that are told, not fetched."""

    def __init__(self, clock: FakeClock, lease: float = 2.0) -> None:
        self.replica = Replica(lease=lease)
        self.clock = clock
        self.reachable = True
        self.asked = 0

    async def start(self) -> None:
        await self.ask()

    async def stop(self) -> None:
        pass

    async def ask(self) -> None:
        self.asked += 1
        if not self.reachable:
            raise Unavailable(private="no feed")
        self.replica.lease_until = self.clock.monotonic + self.replica.lease


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("scope", "what", "value"),
    [
        (Scope.SESSION, "ses_1", 2),
        (Scope.ACCOUNT, "acc_ada", 1),
        (Scope.KEY, "one", KEY_REVOKED),
        (Scope.EVERYTHING, "", 1),
    ],
)
async def test_what_was_ended_is_refused_at_the_next_call(
    issuer: FakeIssuer, scope: Scope, what: str, value: int
) -> None:
    """With revocations at hand a remembered token is looked at at every call: session, account, key, everything."""
    known = Known(issuer.clock)
    verifier = issuer.verifier(revocations=known)
    await verifier.start()
    try:
        token = issuer.token()
        assert await verifier.verify(token)
        assert verifier.verify_sync(token)
        known.replica.apply([Entry(scope=scope, id=what, value=value, until=issuer.clock.wall + 300)])
        for _ in range(2):
            with pytest.raises(CredentialRefused) as refused:
                await verifier.verify(token)
            assert refused.value.private == "revoked"
        with pytest.raises(CredentialRefused):
            verifier.verify_sync(token)
    finally:
        await verifier.stop()


@pytest.mark.anyio
async def test_without_a_lease_nobody_is_accepted_or_logged_out(issuer: FakeIssuer) -> None:
    """The lease over: it asks; if that fails it is 503, for remembered tokens too, and never 401."""
    known = Known(issuer.clock)
    verifier = issuer.verifier(revocations=known)
    token = issuer.token()
    assert await verifier.verify(token)
    issuer.clock.advance(2)
    assert await verifier.verify(token)
    assert known.asked == 2
    known.reachable = False
    issuer.clock.advance(2)
    with pytest.raises(Unavailable):
        await verifier.verify(token)
    with pytest.raises(Unavailable):
        verifier.verify_sync(token)


@pytest.mark.parametrize("claim", ["sid", "sv", "ep"])
def test_what_could_not_be_revoked_is_refused_where_revocation_counts(issuer: FakeIssuer, claim: str) -> None:
    """A token without session, version or epoch would outlive every revocation."""
    verifier = issuer.verifier(revocations=Known(issuer.clock, lease=float("inf")))
    assert verifier.verify_sync(issuer.token())
    with pytest.raises(CredentialRefused):
        verifier.verify_sync(issuer.token(**{claim: None}))
