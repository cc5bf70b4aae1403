"""What a refresh token means when it is shown: the table of `ostiary.domain.refresh`, row by row."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.domain.refresh import Presented, RefreshState, judge, replace_all, rotate

steady = settings(derandomize=True, deadline=None, database=None)
NOW, GRACE = 1000.0, 10.0
CURRENT, PREVIOUS, INVENTED = b"current", b"previous", b"invented"
STATE = RefreshState(generation=5, digest=CURRENT, rotated_at=NOW, previous_digest=PREVIOUS, nonce=b"n", floor=2)


@pytest.mark.parametrize(
    ("generation", "digest", "later", "meaning"),
    [
        (5, CURRENT, 0.0, Presented.CURRENT),
        (5, CURRENT, 1e9, Presented.CURRENT),
        (5, INVENTED, 0.0, Presented.UNKNOWN),
        (5, PREVIOUS, 0.0, Presented.UNKNOWN),
        (6, INVENTED, 0.0, Presented.UNKNOWN),
        (6, CURRENT, 0.0, Presented.UNKNOWN),
        (4, PREVIOUS, 0.0, Presented.PREDECESSOR),
        (4, PREVIOUS, GRACE - 0.001, Presented.PREDECESSOR),
        (4, PREVIOUS, GRACE, Presented.REUSED),
        (4, PREVIOUS, -5.0, Presented.PREDECESSOR),
        (4, INVENTED, 0.0, Presented.REUSED),
        (4, CURRENT, 0.0, Presented.REUSED),
        (3, PREVIOUS, 0.0, Presented.REUSED),
        (2, PREVIOUS, 0.0, Presented.REUSED),
        (1, PREVIOUS, 0.0, Presented.REPLACED),
        (0, CURRENT, 0.0, Presented.REPLACED),
    ],
)
def test_the_table(generation: int, digest: bytes, later: float, meaning: Presented) -> None:
    """Each row is one sentence of the module's rules (M-42, M-43)."""
    assert judge(STATE, generation=generation, digest=digest, now=NOW + later, grace=GRACE) is meaning


def test_a_first_generation_has_no_predecessor() -> None:
    """Nothing older exists, so nothing older is a theft either."""
    first = RefreshState(generation=0, digest=CURRENT, rotated_at=NOW)

    assert judge(first, generation=0, digest=CURRENT, now=NOW, grace=GRACE) is Presented.CURRENT
    assert judge(first, generation=0, digest=INVENTED, now=NOW, grace=GRACE) is Presented.UNKNOWN


def test_rotation() -> None:
    """The current one becomes the predecessor, and the floor stays."""
    rotated = rotate(STATE, digest=b"next", nonce=b"m", now=NOW + 3)

    assert rotated == RefreshState(
        generation=6, digest=b"next", rotated_at=NOW + 3, previous_digest=CURRENT, nonce=b"m", floor=2
    )


def test_replacing_leaves_no_predecessor_and_raises_the_floor() -> None:
    """After a proof of the password nothing older lives, without grace, and showing it harms nobody (M-31)."""
    replaced = replace_all(STATE, digest=b"fresh", now=NOW)

    assert replaced == RefreshState(generation=6, digest=b"fresh", rotated_at=NOW, floor=6)
    for generation, digest in ((5, CURRENT), (4, PREVIOUS)):
        assert judge(replaced, generation=generation, digest=digest, now=NOW, grace=GRACE) is Presented.REPLACED


@steady
@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 30.0)), max_size=12))
def test_exactly_one_lives(steps: list[tuple[bool, float]]) -> None:
    """Whatever happened, of all the tokens ever issued one is current, at most one more is in grace."""
    state = RefreshState(generation=0, digest=b"0", rotated_at=NOW)
    issued = [(0, b"0")]
    now = NOW
    for number, (replaces, later) in enumerate(steps, start=1):
        now += later
        digest = str(number).encode()
        state = (
            replace_all(state, digest=digest, now=now) if replaces else rotate(state, digest=digest, nonce=b"", now=now)
        )
        issued.append((state.generation, digest))
        meanings = [
            judge(state, generation=generation, digest=known, now=now, grace=GRACE) for generation, known in issued
        ]
        assert meanings[-1] is Presented.CURRENT
        assert meanings.count(Presented.CURRENT) == 1
        assert meanings.count(Presented.PREDECESSOR) == (0 if replaces else 1)
        later_on = [
            judge(state, generation=generation, digest=known, now=now + GRACE, grace=GRACE)
            for generation, known in issued[:-1]
        ]
        assert set(later_on) <= {Presented.REUSED, Presented.REPLACED}
