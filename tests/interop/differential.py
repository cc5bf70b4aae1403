"""What we accept, others accept too: `python -m tests.interop.differential [SEED [COUNT]]` for as many as one likes.

Others differ from us in one direction only: they accept more. Nothing is excused: `REASONED` lists what we accept and
joserfc refuses, each with its reason, and it is empty.
"""

import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import pytest
from tests.interop import judges, mutations, mutations_encrypted
from tests.interop.mutations import Case
from tests.interop.mutations_encrypted import EncryptedCase
from tests.interop.node_peer import NodePeer

REASONED: Mapping[str, str] = {}
"""Token to reason."""
CHUNK = 500  # tokens of one question to node: both pipes hold it
One = TypeVar("One")


def signed(seed: int, count: int, node: Callable[[], NodePeer], monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """`count` tokens of one seed before every judge. Raises AssertionError with the token that we alone accept."""
    cases = list(mutations.generate(seed, count))
    seen: Counter[str] = Counter()
    with judges.at_now(monkeypatch), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = [judges.ours(case.token, case.alg) for case in cases]
        for case, accepted in zip(cases, said, strict=True):
            others = {"joserfc": judges.joserfc(case.token, case.alg)}
            if case.alg not in judges.PYJWT_LACKS:
                others["PyJWT"] = judges.pyjwt_says(case.token, case.alg)
            _count(seen, case, accepted, others)
            for name, other in others.items():
                _accepts_no_more(case, accepted, other, name)
    for at, other in _ask(cases, lambda case: case.alg, lambda some, alg: judges.node_jose(node(), some, alg)):
        _count(seen, cases[at], said[at], {"node jose": other})
        _accepts_no_more(cases[at], said[at], other, "node jose")
    return seen


def encrypted(seed: int, count: int, node: Callable[[], NodePeer]) -> Counter[str]:
    """The same for encrypted tokens; PyJWT has none."""
    cases = list(mutations_encrypted.generate(seed, count))
    keys = {case.name: case.key for case in cases}
    seen: Counter[str] = Counter()
    said = [judges.our_plaintext(case.token, case.key) for case in cases]
    for case, accepted in zip(cases, said, strict=True):
        other = judges.joserfc_plaintext(case.token, case.key)
        _count(seen, case, accepted, {"joserfc": other})
        assert accepted is None or accepted == other, f"we alone accept ({case.kind}, joserfc refuses): {case.token}"
    asked = _ask(
        cases, lambda case: case.name, lambda some, name: judges.node_plaintexts(node(), some, name, keys[name])
    )
    for at, other in asked:
        _count(seen, cases[at], said[at], {"node jose": other})
        assert said[at] is None or said[at] == other, f"we alone accept ({cases[at].kind}): {cases[at].token}"
    return seen


def _accepts_no_more(case: Case, accepted: judges.Said, other: judges.Said, name: str) -> None:
    if accepted is None or case.token in REASONED:
        return
    assert other is not None, f"we alone accept ({case.kind}, {name} refuses): {case.token}"
    assert judges.same(accepted, other), f"{name} reads other claims ({case.kind}): {case.token}"


def _count(seen: Counter[str], case: Case | EncryptedCase, accepted: object, others: Mapping[str, object]) -> None:
    if "joserfc" in others:  # once for each token
        seen["accepted" if accepted is not None else "refused"] += 1
        seen[f"{case.kind}: {'accepted' if accepted is not None else 'refused'}"] += 1
    for name, other in others.items():
        if accepted is None and other is not None:
            seen[f"stricter than {name}"] += 1


def _ask(
    cases: Sequence[One], group: Callable[[One], str], ask: Callable[[list[str], str], Sequence[Any]]
) -> Iterator[tuple[int, Any]]:
    """(place, answer) for every case, many in one question."""
    places: dict[str, list[int]] = defaultdict(list)
    for at, case in enumerate(cases):
        places[group(case)].append(at)
    for name, where in places.items():
        for start in range(0, len(where), CHUNK):
            some = where[start : start + CHUNK]
            yield from zip(some, ask([cases[at].token for at in some], name), strict=True)


def main() -> None:
    seed, count = (int(text) for text in (*sys.argv[1:], *("0", "20000")[len(sys.argv) - 1 :]))
    node, patch = NodePeer(), pytest.MonkeyPatch()
    try:
        many = count * 4 // 5
        for name, seen in (("signed", signed(seed, many, lambda: node, patch)),
                           ("encrypted", encrypted(seed, count - many, lambda: node))):  # fmt: skip
            print(f"{name}: " + ", ".join(f"{what} {number}" for what, number in sorted(seen.items())))
    finally:
        node.stop()


if __name__ == "__main__":
    main()
