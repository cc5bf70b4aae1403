"""Settings in, a running system out: stores, services and what runs beside them. No HTTP."""

import asyncio
import math
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from ostiary.clock import SYSTEM_CLOCK, Clock
from ostiary.compose.policies import policy_of
from ostiary.compose.stores import open_store
from ostiary.credentials.derived_keys import DerivedKeys
from ostiary.passwords import (
    Argon2Parameters,
    HashPool,
    PasswordHasher,
    Pepper,
    available_cores,
    load_common_passwords,
)
from ostiary.revocation.feed import Feed
from ostiary.revocation.replica import Replica
from ostiary.services.accounts import Accounts
from ostiary.services.audit import Audit
from ostiary.services.client_authentication import ClientAuthentication
from ostiary.services.clients import Clients
from ostiary.services.context import Agreed, Context, judged_again
from ostiary.services.exchange import Exchange
from ostiary.services.first_run import FirstRun
from ostiary.services.followers import Followers
from ostiary.services.forward_auth import ForwardAuth
from ostiary.services.housekeeping import Housekeeping
from ostiary.services.internal_tokens import InternalTokens
from ostiary.services.introspection import Introspection
from ostiary.services.issuing import Issuing
from ostiary.services.known_clients import KnownClients
from ostiary.services.log_keeping import LogKeeping
from ostiary.services.moving import Moving
from ostiary.services.nodes import Nodes
from ostiary.services.one_time_tokens import OneTimeTokens
from ostiary.services.overview import Overview
from ostiary.services.password_changes import PasswordChanges
from ostiary.services.passwords import Passwords
from ostiary.services.proofs import Proofs
from ostiary.services.recognition import Recognition
from ostiary.services.refresh import Refresh
from ostiary.services.sessions import Sessions
from ostiary.services.sign_in import SignIn
from ostiary.services.signing_keys import SigningKeys
from ostiary.services.status_lists import StatusLists
from ostiary.services.throttling import Throttling
from ostiary.settings import Settings, secret_key_of
from ostiary.stores.port import Store, Swap
from ostiary.version import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Everything that runs, wired. `bound`: seconds until what this process ends is refused everywhere."""

    settings: Settings
    context: Context
    store: Store
    feed: Feed
    recognition: Recognition
    sign_in: SignIn
    sessions: Sessions
    refresh: Refresh
    accounts: Accounts
    first_run: FirstRun
    password_changes: PasswordChanges
    passwords: Passwords
    proofs: Proofs
    moving: Moving
    throttling: Throttling
    signing_keys: SigningKeys
    audit: Audit
    one_time_tokens: OneTimeTokens
    forward_auth: ForwardAuth
    clients: Clients
    known_clients: KnownClients
    client_authentication: ClientAuthentication
    exchange: Exchange
    followers: Followers
    introspection: Introspection
    nodes: Nodes
    status_lists: StatusLists
    overview: Overview
    housekeeping: Housekeeping

    @property
    def bound(self) -> float:
        """See the class."""
        return self.context.bound


@asynccontextmanager
async def open_system(
    settings: Settings,
    *,
    serving: bool = False,
    clock: Clock = SYSTEM_CLOCK,
    random: Callable[[int], bytes] = os.urandom,
    store: Store | None = None,
    password_parameters: Argon2Parameters | None = None,
    secret_key: bytes | None = None,
    stale: float = 0.0,
    worker: int = 0,
) -> AsyncIterator[System]:
    """A system, running until the block ends.

    `serving`: this process verifies credentials, follows what other processes revoke, and keeps house. A process that
    does not serve (the command line) reports the lease as its bound, since a server may be running beside it.
    `secret_key`: by default what the settings lead to.
    `stale`: how many seconds old what a route goes by may at most be, if any accepts by more than the lease.
    `worker`: which of several processes of one server this is.
    `password_parameters`: the cost of one password hash; cheaper than the default only for tests.
    """
    async with AsyncExitStack() as stack:
        # the key first: a database without its key is a mistake that must not be covered up by a new key
        if secret_key is None:
            secret_key = await asyncio.to_thread(secret_key_of, settings)
        derived = DerivedKeys.from_secret(secret_key)
        if store is None:
            store = await open_store(settings, serving=serving)
            stack.push_async_callback(store.close)
        follows = serving and store.shared
        longest = max(settings.lease, stale) + store.fencing
        lease = await _agreed_lease(store, longest, serving=serving) if store.shared else 0.0
        context = Context(
            store=store,
            replica=Replica(lease=settings.lease if follows else math.inf),
            clock=clock,
            random=random,
            derived=derived,
            policy=policy_of(settings),
            agreed=Agreed(lease),
            serving=serving,
        )
        hasher = PasswordHasher(
            peppers=[Pepper.derived_from(derived.password_pepper)],
            parameters=password_parameters,
            pool=HashPool(workers=max(1, available_cores() // settings.workers)) if serving else None,
            random_bytes=random,
        )
        stack.callback(hasher.close)
        system = _wire(settings, context, hasher, worker)
        if follows:
            store.announce()
        await system.feed.start(follow=follows)
        stack.push_async_callback(system.feed.stop)
        await system.signing_keys.load(serving=serving)
        if serving:
            await system.followers.start()
            stack.callback(system.followers.close)
            system.housekeeping.start()
            stack.push_async_callback(system.housekeeping.stop)
        yield system


async def _agreed_lease(store: Store, lease: float, *, serving: bool) -> float:
    """The longest lease of any server of this store; a server with a longer one says so before it serves."""

    async def attempt() -> float | None:
        issuer = await store.issuer()
        if issuer.lease >= lease or not serving:
            return max(issuer.lease, lease)
        return lease if await store.write(Swap(replace(issuer, lease=lease))) else None

    return await judged_again(attempt)


def _wire(settings: Settings, context: Context, hasher: PasswordHasher, worker: int) -> System:
    keys = SigningKeys(context)
    keeping = LogKeeping(context, keys.reload)
    feed = Feed(context.replica, context.store.revocations, context.clock, keeping)
    issuing = Issuing(context, keys)
    internal_tokens = InternalTokens(context, issuing)
    throttling = Throttling(context)
    passwords = Passwords(context, hasher, throttling, load_common_passwords)
    recognition = Recognition(context, keys, feed)
    refresh = Refresh(context, issuing)
    sessions = Sessions(context, passwords, issuing)
    moving = Moving(context, sessions)
    known_clients = KnownClients(context, recognition)
    client_authentication = ClientAuthentication(
        context,
        known_clients,
        audience=(settings.issuer, *(f"{settings.issuer}/oauth/{name}" for name in ("token", "revoke", "introspect"))),
    )
    proofs = Proofs(context, nonce_required=settings.dpop_nonce == "required")
    accounts = Accounts(context, passwords, throttling)
    overview = Overview(context)
    nodes = Nodes(context, feed, worker=worker, version=__version__)
    followers = Followers(context, feed, lease=settings.lease)
    return System(
        settings=settings,
        context=context,
        store=context.store,
        feed=feed,
        recognition=recognition,
        sign_in=SignIn(context, throttling, passwords, issuing),
        sessions=sessions,
        refresh=refresh,
        accounts=accounts,
        first_run=FirstRun(context, accounts),
        password_changes=PasswordChanges(context, accounts, passwords, throttling, issuing),
        passwords=passwords,
        proofs=proofs,
        moving=moving,
        throttling=throttling,
        signing_keys=keys,
        audit=Audit(context),
        one_time_tokens=OneTimeTokens(context, keys),
        forward_auth=ForwardAuth(context, internal_tokens),
        clients=Clients(context),
        known_clients=known_clients,
        client_authentication=client_authentication,
        exchange=Exchange(context, recognition, issuing, internal_tokens),
        followers=followers,
        introspection=Introspection(context, recognition, keys),
        nodes=nodes,
        status_lists=StatusLists(context, keys, followers),
        overview=overview,
        housekeeping=Housekeeping(
            context, recognition, refresh, proofs, moving, client_authentication, keys, overview, nodes
        ),
    )
