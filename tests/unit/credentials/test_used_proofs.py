"""Proofs that were used: what a flood of them costs."""

import pytest

from ostiary import limits
from ostiary.credentials.dpop import PossessionProof
from ostiary.credentials.used_proofs import UsedProofs
from ostiary.errors import Overloaded


def test_a_flood_is_refused_at_little_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once as many are remembered as may be, looking for room goes through all of them: once a second, not with every
    proof that whoever floods us sends (M-52)."""
    monkeypatch.setattr(limits, "PROOFS_REMEMBERED", 4)
    used = UsedProofs()
    looks: list[float] = []
    forget = used.forget_expired

    def counted(now: float) -> int:
        looks.append(now)
        return forget(now)

    monkeypatch.setattr(used, "forget_expired", counted)
    for number in range(4):
        used.use(PossessionProof(thumbprint="t", token_id=str(number), expires_at=100.0 + number), 50.0)
    for _ in range(10):
        with pytest.raises(Overloaded):
            used.use(PossessionProof(thumbprint="t", token_id="more", expires_at=160.0), 99.0)
    assert looks == [99.0]
    used.use(PossessionProof(thumbprint="t", token_id="more", expires_at=160.0), 100.0)
    assert looks == [99.0, 100.0]
    with pytest.raises(Overloaded):
        used.use(PossessionProof(thumbprint="t", token_id="another", expires_at=160.0), 100.5)
    used.use(PossessionProof(thumbprint="t", token_id="another", expires_at=160.0), 101.0)
