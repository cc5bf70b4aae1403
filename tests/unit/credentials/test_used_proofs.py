"""Proofs that were used: what a flood of them costs."""

import pytest

from ostiary import limits
from ostiary.credentials.dpop import PossessionProof
from ostiary.credentials.used_proofs import UsedProofs
from ostiary.errors import InvalidProof, Overloaded
from ostiary.testing import FakeClock


def test_a_flood_is_refused_at_little_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once as many are remembered as may be, looking for room goes through all of them: once a second, not with every
    proof that whoever floods us sends (M-52)."""
    monkeypatch.setattr(limits, "PROOFS_REMEMBERED", 4)
    clock = FakeClock(wall=50.0)
    used = UsedProofs(wall=clock.clock.wall, monotonic=clock.clock.monotonic)
    looks: list[float] = []
    forget = used.forget_expired

    def counted(now: float) -> int:
        looks.append(now)
        return forget(now)

    def use(name: str, *, expires_at: float = 160.0) -> None:
        used.use(PossessionProof(thumbprint="t", token_id=name, expires_at=expires_at), clock.wall)

    monkeypatch.setattr(used, "forget_expired", counted)
    for number in range(4):
        use(str(number), expires_at=100.0 + number)
    clock.advance(49.0)
    for _ in range(10):
        with pytest.raises(Overloaded):
            use("more")
    assert looks == [99.0]
    clock.advance(1.0)
    use("more")
    assert looks == [99.0, 100.0]
    clock.advance(0.5)
    with pytest.raises(Overloaded):
        use("another")
    clock.advance(0.5)
    use("another")


def _proof(clock: FakeClock, name: str) -> PossessionProof:
    return PossessionProof(thumbprint="t", token_id=name, expires_at=clock.wall + 90.0)


def test_a_clock_that_is_set_lets_no_proof_be_used_again() -> None:
    """M-52: forwards, whatever is swept meanwhile, and then right again. What nobody can use any more is forgotten."""
    clock = FakeClock()
    used = UsedProofs(wall=clock.clock.wall, monotonic=clock.clock.monotonic)
    right = clock.wall
    used.use(_proof(clock, "one"), right)
    clock.set_wall(right + 3600.0)
    assert used.forget_expired(clock.wall) == 0
    clock.advance(30.0)
    used.use(_proof(clock, "two"), clock.wall)
    assert used.forget_expired(clock.wall) == 0
    clock.set_wall(right + 30.0)
    for name in ("one", "two"):
        with pytest.raises(InvalidProof):
            used.use(_proof(clock, name), clock.wall)
    clock.advance(3700.0)
    assert used.forget_expired(clock.wall) == 2


def test_a_clock_that_stays_where_it_was_set_keeps_nothing_for_ever() -> None:
    """After as long as any proof may be used, a step is over: what has expired goes."""
    clock = FakeClock()
    used = UsedProofs(wall=clock.clock.wall, monotonic=clock.clock.monotonic)
    used.use(_proof(clock, "one"), clock.wall)
    clock.set_wall(clock.wall + 86_400.0)
    assert used.forget_expired(clock.wall) == 0
    clock.advance(91.0)
    assert used.forget_expired(clock.wall) == 1
    assert len(used) == 0


def test_a_clock_that_was_set_long_ago_refuses_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that sweeps only where it needs the room knows then when its clock was set: by then nothing of that
    time can be used, and there is room (M-52)."""
    monkeypatch.setattr(limits, "PROOFS_REMEMBERED", 4)
    clock = FakeClock()
    used = UsedProofs(wall=clock.clock.wall, monotonic=clock.clock.monotonic)
    used.use(_proof(clock, "before"), clock.wall)
    clock.set_wall(clock.wall + 3600.0)
    for name in ("1", "2", "3"):
        used.use(_proof(clock, name), clock.wall)
    clock.advance(91.0)
    used.use(_proof(clock, "later"), clock.wall)
    assert len(used) == 1


def test_a_request_that_took_its_time_is_no_step_of_the_clock() -> None:
    """Whoever is slow to send a body brings an old instant along, which keeps nothing longer than it has to be."""
    clock = FakeClock()
    used = UsedProofs(wall=clock.clock.wall, monotonic=clock.clock.monotonic)
    began = clock.wall
    clock.advance(5.0)
    used.use(_proof(clock, "slow"), began)
    clock.advance(90.0)
    assert used.forget_expired(clock.wall) == 1
