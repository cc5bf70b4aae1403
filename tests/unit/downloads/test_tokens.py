"""M-62, M-07: one-time tokens at a server that follows the feed."""

from typing import Any

import pytest
from tests.unit.downloads.conftest import AUDIENCE, ISSUER, KEY, KEYS

from ostiary import jose
from ostiary.credentials.one_time import ONE_TIME_TYPE, OneTimeToken, one_time_claims, read_one_time, token_id_of
from ostiary.domain.account import EPOCHS_PER_EVERYTHING
from ostiary.domain.session import ENDED_VERSION
from ostiary.downloads.tokens import OneTimeTokens
from ostiary.revocation.entry import KEY_REVOKED, Entry, Scope
from ostiary.revocation.replica import Replica
from ostiary.testing import FakeClock
from ostiary.verifier.errors import CredentialRefused
from ostiary.verifier.sources import FixedKeys


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class Told:
    """Somebody who knows what has been revoked, and always does."""

    def __init__(self) -> None:
        self.replica = Replica()

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def ask(self) -> None: ...


def token(clock: FakeClock, token_id: str) -> str:
    """Of session ses_1 and account acc_1."""
    now = int(clock.wall)
    said = OneTimeToken(
        issuer=ISSUER,
        audience=AUDIENCE,
        account_id="acc_1",
        session_id="ses_1",
        issued_at=now,
        expires_at=now + 120,
        token_id=token_id,
        action="download",
        resource="a.bin",
    )
    return jose.sign(one_time_claims(said), KEY, typ=ONE_TIME_TYPE)


EPOCH = 3 * EPOCHS_PER_EVERYTHING + 7
NEW = token_id_of(b"\x01" * 16, version=2, epoch=EPOCH)


@pytest.mark.parametrize(
    ("scope", "name", "value", "refused"),
    [
        (Scope.SESSION, "ses_1", ENDED_VERSION, True),
        (Scope.SESSION, "ses_1", 3, True),
        (Scope.SESSION, "ses_1", 2, False),
        (Scope.SESSION, "ses_2", ENDED_VERSION, False),
        (Scope.ACCOUNT, "acc_1", EPOCH + 1, True),
        (Scope.ACCOUNT, "acc_1", EPOCH, False),
        (Scope.ACCOUNT, "acc_2", EPOCH + 1, False),
        (Scope.EVERYTHING, "", 4, True),
        (Scope.EVERYTHING, "", 3, False),
        (Scope.KEY, "its own", KEY_REVOKED, True),
        (Scope.KEY, "another", KEY_REVOKED, False),
    ],
)
@pytest.mark.anyio
async def test_what_voids_it(clock: FakeClock, scope: Scope, name: str, value: int, refused: bool) -> None:
    """An end of its session, a re-authentication, a password or role change, an end of everything, a revoked key."""
    told = Told()
    tokens = OneTimeTokens(
        issuer=ISSUER,
        audience=AUDIENCE,
        source=FixedKeys(KEYS),
        leeway=30.0,
        clock=clock.clock,
        revocations=told,
    )
    text = token(clock, NEW)
    assert (await tokens.verify(text)).token_id == NEW
    entry_id = str(KEY.kid) if name == "its own" else name
    told.replica.apply([Entry(scope=scope, id=entry_id, value=value, until=clock.wall + 300)])
    if not refused:
        assert (await tokens.verify(text)).version == 2
        return
    with pytest.raises(CredentialRefused):
        await tokens.verify(text)


@pytest.mark.parametrize(
    "token_id", ["abc", "abc.1", "abc.1.2.3", "abc.x.2", ".1.2", "abc.-1.2", f"abc.{'9' * 17}.0", "a b.1.2"]
)
def test_an_id_that_says_nothing_of_it(clock: FakeClock, token_id: str) -> None:
    """It is taken as an id and no more: then only the end of the session voids the token."""
    claims: dict[str, Any] = jose.decode_unverified(token(clock, token_id)).claims
    read = read_one_time(claims)
    assert (read.token_id, read.version, read.epoch) == (token_id, ENDED_VERSION - 1, ENDED_VERSION - 1)
