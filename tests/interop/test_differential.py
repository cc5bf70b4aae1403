"""20,000 tokens before other libraries: what they refuse, and we accept, would be a hole."""

import pytest
from tests.interop import differential
from tests.interop.mutations import MUTATORS
from tests.interop.mutations_encrypted import MUTATORS as ENCRYPTED_MUTATORS

TOKENS, PARTS = 16_000, 8
ENCRYPTED, ENCRYPTED_PARTS = 4_000, 4


@pytest.mark.parametrize("part", range(PARTS))
def test_we_accept_nothing_that_others_refuse(
    part: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M-20: of 16,000 tokens, good and mutated, each that we accept is accepted by joserfc, PyJWT and node jose with
    the same claims; what we refuse, we refuse with our own errors."""
    seen = differential.signed(part, TOKENS // PARTS, lambda: request.getfixturevalue("node"), monkeypatch)
    assert seen["accepted"] > 500
    assert seen["refused"] > 1000
    for mutate in MUTATORS:
        assert seen[f"{mutate.__name__}: accepted"] + seen[f"{mutate.__name__}: refused"] > 100
    for name in ("joserfc", "PyJWT", "node jose"):
        assert seen[f"stricter than {name}"] > 0


@pytest.mark.parametrize("part", range(ENCRYPTED_PARTS))
def test_we_decrypt_nothing_that_others_refuse(part: int, request: pytest.FixtureRequest) -> None:
    """M-24: of 4,000 encrypted tokens, good and mutated, each that we decrypt is decrypted by joserfc and node jose to
    the same bytes."""
    seen = differential.encrypted(part, ENCRYPTED // ENCRYPTED_PARTS, lambda: request.getfixturevalue("node"))
    assert seen["accepted"] > 150
    assert seen["refused"] > 500
    for mutate in ENCRYPTED_MUTATORS:
        assert seen[f"{mutate.__name__}: accepted"] + seen[f"{mutate.__name__}: refused"] > 100
