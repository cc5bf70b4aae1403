"""Every field of every record comes back exactly as it went in."""

from dataclasses import replace
from typing import Any, ClassVar

import pytest

from ostiary.domain.account import Account, Issuer
from ostiary.domain.audit import AuditEvent
from ostiary.domain.client import Client
from ostiary.domain.refresh import RefreshState
from ostiary.domain.session import ENDED_VERSION, Kind, Session, Transport
from ostiary.domain.signing_key import KeyState, SigningKey
from ostiary.domain.spent import Spent
from ostiary.domain.throttle import Throttle
from ostiary.stores.port import Add, Store, Swap
from ostiary.testing import builders
from ostiary.testing.store_contract.base import StoreCase, add, at_revision, differences, find

# ruff: noqa: S101 - tests assert

ALL_BYTES = bytes(range(256))
TEXT = "Zoë 'quoted' \"double\" back\\slash\ttab\nline 张三 \U0001f511 e\u0301 \uffff %_*?[]{}"
TINY, LARGE, UNEVEN = 5e-324, 1.7976931348623157e308, 1_800_000_000.123456

FULL_REFRESH = RefreshState(
    generation=2**40, digest=ALL_BYTES, rotated_at=UNEVEN, previous_digest=b"\0" * 32, nonce=b"\0\xff\0", floor=2**40
)
EMPTY_REFRESH = RefreshState(generation=0, digest=b"", rotated_at=-0.1, previous_digest=b"", nonce=b"", floor=0)

RECORDS: dict[str, Any] = {
    "account with everything": Account(
        id="a" * 64,
        username=TEXT,
        username_key="zoë",
        password_hash="$argon2id$" + "x" * 500,
        display_name=TEXT,
        email="Zoë@Example.ORG",
        roles=("admin", "user", TEXT),
        disabled=True,
        epoch=2**53 - 1,
        created_at=UNEVEN,
        password_changed_at=0.1 + 0.2,
    ),
    "account with nothing": Account(id="0", username="", username_key="", password_hash="", roles=()),
    "account with empty text": builders.account(display_name="", email="", roles=("",), epoch=0),
    "session with everything": Session(
        id="s" * 64,
        account_id=TEXT,
        kind=Kind.STATELESS,
        transport=Transport.SPLIT,
        created_at=UNEVEN,
        auth_time=TINY,
        last_seen_at=LARGE,
        idle_lifetime=1 / 3,
        expires_at=2.0**53 + 2,
        everything=2**40,
        remembered=True,
        version=ENDED_VERSION,
        audience=("https://a.example", TEXT, ""),
        scope=("read", TEXT),
        client_id=TEXT,
        client_label=TEXT,
        client_ip="2001:db8::1",
        binding=TEXT,
        token_digest=ALL_BYTES,
        refresh=FULL_REFRESH,
        credential_expires_at=UNEVEN,
        ended_at=UNEVEN,
        end_reason=TEXT,
    ),
    "session with nothing": builders.session(token_digest=None, refresh=None, scope=None, audience=(), client_id=""),
    "session with empty values": builders.session(
        "session-2", token_digest=b"", refresh=EMPTY_REFRESH, scope=(), ended_at=0.0, end_reason="", last_seen_at=-1.5
    ),
    "throttle": Throttle(id=TEXT, failures=2**31, last_failure_at=TINY, window_started_at=-UNEVEN),
    "key with everything": SigningKey(
        id=TEXT,
        algorithm="ES256",
        state=KeyState.REVOKED,
        public_jwk='{"kty":"EC"}',
        sealed=ALL_BYTES,
        created_at=UNEVEN,
        activated_at=TINY,
        retiring_at=LARGE,
        ended_at=0.0,
    ),
    "key with nothing": builders.signing_key(public_jwk="", sealed=b"", activated_at=None, state=KeyState.UPCOMING),
    "client with everything": Client(
        id="c" * 64,
        name=TEXT,
        secret_digest=ALL_BYTES,
        jwks='{"keys":[]}',
        grants=("client_credentials", TEXT),
        audiences=("https://a.example", TEXT, ""),
        targets=(TEXT,),
        scopes=("read", "write"),
        epoch=2**53 - 1,
        created_at=UNEVEN,
    ),
    "client with nothing": Client(id="0", name=""),
    "client with empty values": builders.client(secret_digest=b"", jwks="", grants=("",)),
    "spent": Spent(id=TEXT, until=2 * UNEVEN + 1 / 3),
    "event with everything": AuditEvent(
        id="e" * 64,
        at=UNEVEN,
        event=TEXT,
        account_id=TEXT,
        session_id=TEXT,
        actor=TEXT,
        client_ip="::1",
        client_label=TEXT,
        detail='{"a":"\\u0000"}',
    ),
    "event with nothing": AuditEvent(id="1", at=0.0, event="", detail=""),
    "event with empty text": AuditEvent(id="2", at=-1.0, event="x", account_id="", session_id="", actor=""),
}


class RoundTrips(StoreCase):
    """M-05, and the port's fourth promise."""

    exact: ClassVar = pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS.keys())

    @exact
    async def test_added_record_comes_back_exactly(self, store: Store, record: Any) -> None:
        """M-05: each field has the value and the type that was stored, and the revision is 1 whatever was said."""
        assert await store.write(Add(at_revision(record, 77)))
        assert differences(await find(store, record), at_revision(record, 1)) == []

    @exact
    async def test_swapped_record_comes_back_exactly(self, store: Store, record: Any) -> None:
        """M-05: a swap replaces every field."""
        plain: dict[type, Any] = {
            Account: builders.account,
            Session: builders.session,
            Throttle: builders.throttle,
            SigningKey: builders.signing_key,
            AuditEvent: builders.audit_event,
            Client: builders.client,
            Spent: builders.spent,
        }
        await add(store, plain[type(record)](record.id))
        assert await store.write(Swap(at_revision(record, 1)))
        assert differences(await find(store, record), at_revision(record, 2)) == []

    async def test_issuer_comes_back_exactly(self, store: Store) -> None:
        """M-05: the issuer's record is there from the start, at revision 1, and is swapped like any other."""
        assert differences(await store.issuer(), Issuer(revision=1)) == []
        changed = Issuer(everything=2**20, created_at=UNEVEN, log_generation=2**53 - 1, revision=1)
        assert await store.write(Swap(changed))
        assert differences(await store.issuer(), replace(changed, revision=2)) == []

    async def test_digest_is_compared_as_bytes(self, store: Store) -> None:
        """M-09: two digests that become one text (invalid UTF-8, letter case, a NUL) are two digests."""
        digests = [b"\xff\xfe", b"\xfe\xff", b"abc", b"ABC", b"abc\0", b"\xef\xbf\xbd", b""]
        await add(store, *(builders.session(f"s{i}", token_digest=digest) for i, digest in enumerate(digests)))
        for i, digest in enumerate(digests):
            found = await store.sessions.by_token_digest(digest)
            assert found is not None
            assert found.id == f"s{i}"
        assert await store.sessions.by_token_digest(b"abc\0\0") is None

    async def test_everything_survives_closing(self, store: Store) -> None:
        """M-05: what was acknowledged is there when the store is opened again."""
        if not self.durable:
            return
        await add(store, *RECORDS.values())
        await store.close()
        again = await self.open_store()
        try:
            for record in RECORDS.values():
                assert differences(await find(again, record), at_revision(record, 1)) == []
        finally:
            await again.close()
