"""When a file counts as delivered once (M-62)."""

from hypothesis import given
from hypothesis import strategies as st

from ostiary.domain.transfer import Piece, Transfer, allowance, confirmed_by, covers

SIZE = 40


def test_over_at_the_very_instant() -> None:
    """Half-open; and finished is finished."""
    assert Transfer(resource="a", expires_at=10.0).is_open(9.999)
    assert not Transfer(resource="a", expires_at=10.0).is_open(10.0)
    assert not Transfer(resource="a", expires_at=10.0, finished=True).is_open(1.0)


def test_broken_off_counts_once_the_client_goes_on_from_there() -> None:
    """Whoever asks for the rest has what was before; whoever asks from the start has not."""
    broken = (Piece(0, 30, whole=False),)
    assert not covers([*broken, Piece(30, 40)], SIZE)
    assert confirmed_by(broken, 25) == [Piece(0, 25)]
    assert covers([*broken, *confirmed_by(broken, 25), Piece(25, 40)], SIZE)
    assert confirmed_by(broken, 0) == []
    assert confirmed_by(broken, 31) == []
    assert confirmed_by((Piece(0, 30),), 10) == []


def test_an_empty_file_is_delivered_by_an_empty_answer() -> None:
    """There is nothing that could be missing."""
    assert covers([Piece(0, 0)], 0)


pieces = st.builds(
    lambda start, length, whole: Piece(start, min(SIZE, start + length), whole),
    st.integers(0, SIZE - 1),
    st.integers(0, SIZE),
    st.booleans(),
)


@given(st.lists(pieces, max_size=12))
def test_covered_means_every_byte(sent: list[Piece]) -> None:
    """Over, if and only if every single byte was in an answer that was not broken off."""
    arrived = {byte for piece in sent if piece.whole for byte in range(piece.start, piece.stop)}
    assert covers(sent, SIZE) == (arrived == set(range(SIZE)))


@given(st.lists(st.tuples(st.integers(1, SIZE), st.integers(0, 8)), max_size=30))
def test_a_line_that_breaks_again_and_again_still_ends_it(breaks: list[tuple[int, int]]) -> None:
    """A client that resumes wherever the line broke ends with the transfer over, whatever was lost on the way; and
    never before it has every byte."""
    known: list[Piece] = []
    has = 0
    for length, lost in breaks:
        known += confirmed_by(known, has)
        stop = min(SIZE, has + length)
        if stop == SIZE:
            break
        known.append(Piece(has, stop, whole=False))
        has = max(has, stop - lost)
        assert not covers(known, SIZE)
    known += confirmed_by(known, has)
    known.append(Piece(has, SIZE))
    assert covers(known, SIZE)


@given(st.integers(0, 2**60))
def test_never_three_times_the_file(size: int) -> None:
    """What all answers together may send is bounded."""
    assert size <= allowance(size) <= 2 * size + 64 * 1024
