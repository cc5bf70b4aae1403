"""Real accounts and real sessions, made through the use cases; only the password is the same for all of them."""

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from ostiary.compose import System
from ostiary.domain.account import Account
from ostiary.domain.session import Kind, default_transport
from ostiary.services.context import Client
from ostiary.services.issuing import Issued
from ostiary.services.sign_in import LoginRequest, _Proven
from ostiary.settings import Settings
from ostiary.stores.port import Add

PASSWORD = "correct horse battery staple"
KINDS = (Kind.SESSION, Kind.STATEFUL, Kind.STATELESS)
_CLIENT = Client(ip="127.0.0.1", label="benchmark")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """One account with its one live session, and the header that shows it."""

    username: str
    issued: Issued
    header: tuple[str, str]


def settings_for(database: str, port: int, *, valkey: str | None = None) -> Settings:
    """Ostiary's own, but for limits that a load generator on one address would meet at once. With Valkey alone
    `database` is empty."""
    shared = bool(valkey) or database.startswith("postgresql")
    return Settings(
        **({"database": database} if database else {}),
        valkey=valkey,
        issuer=f"http://127.0.0.1:{port}",
        secret_key=b"known to everybody, as befits a benchmark" if shared else None,
        audiences=(),
        address_failures=1_000_000,
        refreshes_per_minute=1_000_000,
        access_token_lifetime=3600.0,
        stateful_token_lifetime=3600.0,
    )


async def accounts(system: System, prefix: str, count: int) -> list[Account]:
    """`count` accounts with the same password: it is hashed once, for a thousand hashes would take half a minute."""
    context = system.context
    stored = await system.passwords.hash(PASSWORD)
    now = context.now()
    made = [
        Account(
            id=context.new_id("acc"),
            username=f"{prefix}-{at:04}",
            username_key=f"{prefix}-{at:04}",
            password_hash=stored,
            created_at=now,
            password_changed_at=now,
        )
        for at in range(count)
    ]
    assert await context.write(*(Add(account) for account in made))
    return made


async def sessions(system: System, kind: Kind, count: int) -> list[Seeded]:
    """`count` accounts with one live session of `kind` each."""
    made = await accounts(system, str(kind), count)
    request = LoginRequest(username="", password="", kind=kind)
    unthrottled: Any = SimpleNamespace(write=system.context.write)  # nobody has typed a password
    begun = await asyncio.gather(
        *(
            system.sign_in._begin(
                _Proven(account),
                request,
                default_transport(kind),
                (system.settings.issuer,),
                _CLIENT,
                unthrottled,
                new_device=False,
            )
            for account in made
        )
    )
    return [
        Seeded(username=account.username, issued=issued, header=header_of(kind, issued.access_token))
        for account, issued in zip(made, begun, strict=True)
    ]


def header_of(kind: Kind, credential: str) -> tuple[str, str]:
    """As a browser or a program would send it."""
    if kind is Kind.SESSION:
        return ("cookie", f"__Host-ostiary_session={credential}")
    return ("authorization", f"Bearer {credential}")
