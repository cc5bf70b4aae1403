"""Claims as an object of the caller's own type."""

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from tests.unit.jose.forge import NOW, POLICY, claims, code_of, good, key

from ostiary import jose

SIGNER = key("HS256")


class Actor(msgspec.Struct):
    sub: str


class Wanted(msgspec.Struct, frozen=True):
    sub: str
    exp: int | float
    roles: tuple[str, ...] = ()
    tenant: str = msgspec.field(name="tenant-id", default="")
    act: Actor | None = None


@dataclass(frozen=True)
class Plain:
    sub: str
    level: int


def test_into_a_struct_and_a_dataclass() -> None:
    """`verify` gives an object of the type asked for, checked; claims that it does not name are left out."""
    token = good(SIGNER, roles=["a"], level=3, **{"tenant-id": "t"})
    struct = jose.verify(token, SIGNER, POLICY, into=Wanted, now=NOW)
    assert struct == Wanted("acc_1", NOW + 300, ("a",), "t")
    assert jose.verify(token, SIGNER, POLICY, into=Plain, now=NOW) == Plain("acc_1", 3)
    assert jose.verify(token, jose.KeySet([SIGNER]), POLICY, now=NOW).into(Plain) == Plain("acc_1", 3)


@pytest.mark.parametrize(
    ("changes", "shape", "code", "claim"),
    [
        ({}, Plain, "missing_claim", "level"),
        ({"level": "3"}, Plain, "invalid_claim", "level"),
        ({"level": 3.5}, Plain, "invalid_claim", "level"),
        ({"level": True}, Plain, "invalid_claim", "level"),
        ({"roles": "a"}, Wanted, "invalid_claim", "roles"),
        ({"roles": ["a", 1]}, Wanted, "invalid_claim", "roles"),
        ({"tenant-id": 1}, Wanted, "invalid_claim", "tenant-id"),
        ({"act": {}}, Wanted, "invalid_claim", "act"),
        ({"act": {"sub": 1}}, Wanted, "invalid_claim", "act"),
        ({"x": "secret"}, dict[str, int], "invalid_claim", None),
    ],
    ids=str,
)
def test_claims_that_do_not_fit(changes: dict[str, Any], shape: Any, code: str, claim: str | None) -> None:
    """The refusal has a stable code, names the claim that decided, gives a reason of ours and repeats no value."""
    with pytest.raises(jose.TokenRejected) as caught:
        jose.verify(good(SIGNER, **changes), SIGNER, POLICY, into=shape, now=NOW)
    assert (caught.value.code, caught.value.claim) == (code, claim)
    assert caught.value.reason
    assert "secret" not in f"{caught.value}{caught.value.reason}"
    assert caught.value.__suppress_context__


def test_the_type_never_comes_before_the_policy() -> None:
    """Signature and policy are judged first, whatever type is asked for."""
    assert code_of(good(SIGNER, exp=1), SIGNER) == "expired"
    for token, expected in ((good(SIGNER, exp=1), "expired"), (good(key("HS256", 1)), "invalid_signature")):
        with pytest.raises(jose.TokenRejected) as caught:
            jose.verify(token, SIGNER, POLICY, into=Plain, now=NOW)
        assert caught.value.code == expected
    assert jose.verify(good(SIGNER, **claims(level=1)), SIGNER, POLICY, into=Plain, now=NOW).level == 1
