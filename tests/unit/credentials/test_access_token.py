"""What an access token may say, and how it is read back (M-03, M-26)."""

import pytest

from ostiary import limits
from ostiary.credentials.access_token import (
    PRIVATE_CLAIMS,
    Grant,
    check_after_signing,
    check_before_signing,
)
from ostiary.credentials.kinds import KIND_OF_TYPE, TOKEN_KINDS
from ostiary.domain.session import Kind
from ostiary.errors import InvalidRequest, InvalidToken, Misconfigured

GRANT = Grant(
    issuer="https://auth.example",
    audience=("https://auth.example",),
    account_id="acc_1",
    session_id="ses_1",
    version=2,
    epoch=5,
    client_id="ostiary",
    auth_time=900,
    issued_at=1000,
    expires_at=1300,
    token_id="jti",
    roles=("admin", "user"),
    scope=("read", "write"),
)


@pytest.mark.parametrize("name", sorted(PRIVATE_CLAIMS))
def test_private_claims_are_refused(name: str) -> None:
    """Personal data in a token that anyone can read is a mistake of ours, and is stopped before it is signed (M-26)."""
    claims = TOKEN_KINDS[Kind.STATELESS].claims(GRANT)
    check_before_signing(claims)

    with pytest.raises(Misconfigured, match=name):
        check_before_signing({**claims, name: "x"})


def test_what_is_personal_is_on_the_list() -> None:
    """The names that one would think of first (OpenID Connect Core section 5.1)."""
    assert {"email", "name", "password", "phone_number", "address", "birthdate", "preferred_username"} <= PRIVATE_CLAIMS


def test_oversized_tokens_are_refused() -> None:
    """At the limit it is issued, one character beyond it is not (M-26)."""
    assert check_after_signing("x" * limits.ISSUED_TOKEN_CHARS)
    with pytest.raises(InvalidRequest, match=str(limits.ISSUED_TOKEN_CHARS)):
        check_after_signing("x" * (limits.ISSUED_TOKEN_CHARS + 1))


def test_a_reference_says_nothing_else() -> None:
    """No account, no role, no scope (M-03)."""
    assert TOKEN_KINDS[Kind.STATEFUL].claims(GRANT) == {
        "iss": "https://auth.example",
        "aud": "https://auth.example",
        "sid": "ses_1",
        "sv": 2,
        "iat": 1000,
        "exp": 1300,
        "jti": "jti",
    }


@pytest.mark.parametrize("kind", [Kind.STATEFUL, Kind.STATELESS])
def test_each_kind_reads_what_it_says(kind: Kind) -> None:
    """There and back; the row is found by the token's type."""
    row = TOKEN_KINDS[kind]
    token = row.read(row.claims(GRANT))

    assert KIND_OF_TYPE[row.typ] is row
    assert (token.kind, token.session_id, token.version, token.expires_at) == (kind, "ses_1", 2, 1300.0)
    assert token.audience == ("https://auth.example",)
    if kind is Kind.STATELESS:
        assert (token.account_id, token.epoch, token.roles) == ("acc_1", 5, ("admin", "user"))
        assert (token.scope, token.auth_time, token.actors) == (("read", "write"), 900, ())


@pytest.mark.parametrize(
    "change",
    [
        {"sid": 1},
        {"sid": None},
        {"sv": "2"},
        {"sv": True},
        {"sv": -1},
        {"sv": 2.0},
        {"ep": None},
        {"ep": True},
        {"ep": -1},
        {"sub": None},
        {"roles": "admin"},
        {"roles": ["admin", 1]},
        {"scope": ["read"]},
        {"auth_time": "900"},
        {"client_id": 7},
        {"act": "service"},
        {"act": {"sub": 1}},
        {"act": {"act": {"sub": "a"}}},
    ],
    ids=str,
)
def test_a_stateless_token_of_another_shape_is_refused(change: dict[str, object]) -> None:
    """A signature over nonsense makes no sense of it."""
    row = TOKEN_KINDS[Kind.STATELESS]

    with pytest.raises(InvalidToken):
        row.read({**row.claims(GRANT), **change})


def test_the_chain_of_actors_is_bounded() -> None:
    """RFC 8693 section 4.1; the current actor first."""
    row = TOKEN_KINDS[Kind.STATELESS]
    act: dict[str, object] = {}
    for number in range(limits.ACTOR_DEPTH):
        act = {"sub": f"service-{number}", **({"act": act} if act else {})}

    assert row.read({**row.claims(GRANT), "act": act}).actors[0] == f"service-{limits.ACTOR_DEPTH - 1}"
    with pytest.raises(InvalidToken):
        row.read({**row.claims(GRANT), "act": {"sub": "one more", "act": act}})
