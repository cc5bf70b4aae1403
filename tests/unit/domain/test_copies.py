"""Records that are made by filling their slots are those that their constructors make."""

from dataclasses import FrozenInstanceError, fields, replace

import pytest

from ostiary.domain.copies import changer, maker, names_of
from ostiary.domain.refresh import RefreshState
from ostiary.domain.session import Session, changed
from ostiary.testing import builders

SESSION = builders.session(refresh=builders.refresh_state(), statuses=("0.1.1.0.9",), revision=3)


@pytest.mark.parametrize("field", [field.name for field in fields(Session)])
def test_one_field_is_changed_and_no_other(field: str) -> None:
    """As `dataclasses.replace` does it, for each field."""
    assert changed(SESSION, **{field: "another"}) == replace(SESSION, **{field: "another"})  # type: ignore[arg-type]


def test_nothing_changed_is_an_equal_record_of_its_own() -> None:
    """The old one stays what it was, and the new one is as frozen."""
    copy = changed(SESSION)
    assert copy == SESSION
    assert copy is not SESSION
    with pytest.raises(FrozenInstanceError):
        copy.revision = 4  # type: ignore[misc]


def test_an_unknown_field_is_refused() -> None:
    """A mistake of ours is not passed over."""
    with pytest.raises(KeyError):
        changer(RefreshState)(builders.refresh_state(), generations=1)


def test_a_maker_takes_every_field() -> None:
    """A slot that was left empty would be found much later."""
    with pytest.raises(AssertionError):
        maker(RefreshState, names_of(RefreshState)[1:])
