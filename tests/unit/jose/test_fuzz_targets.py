"""The fuzzer's targets on inputs that are known: their seeds, and whatever broke something once (fuzz/regressions)."""

from pathlib import Path
from types import ModuleType

import fuzz
import pytest
from fuzz import encrypted, keys, tokens

REGRESSIONS = Path(fuzz.__file__).parent / "regressions"


@pytest.mark.parametrize("target", [tokens, encrypted, keys], ids=["tokens", "encrypted", "keys"])
def test_seeds_and_past_failures(target: ModuleType) -> None:
    """Every seed, cut at every eighth byte too, and every input that once failed passes through its target."""
    name = target.__name__.rpartition(".")[2]
    inputs = [*target.seeds(), *(path.read_bytes() for path in sorted(REGRESSIONS.glob(f"{name}/*")))]
    for data in inputs:
        target.one_input(data)
    for data in inputs[::5]:
        for end in range(0, len(data), 8):
            target.one_input(data[:end])


def test_targets_reach_what_they_are_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Among the seeds are tokens that are accepted: the oracle behind acceptance is not idle."""
    seen: list[str] = []
    monkeypatch.setattr(tokens, "check", lambda token, *_: seen.append(token))
    for data in tokens.seeds():
        tokens.one_input(data)
    assert len(seen) > 5
