"""Clients: registering them, changing them, and what a change voids."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ostiary import limits
from ostiary.credentials import opaque
from ostiary.credentials.client_keys import checked_keys
from ostiary.domain import client as rules
from ostiary.domain.account import authorization_epoch
from ostiary.domain.audit import Event
from ostiary.domain.client import Client
from ostiary.errors import InvalidRequest, NotFound
from ostiary.revocation.entry import Entry, Scope
from ostiary.services.asking import Actor, name_of, still_may
from ostiary.services.context import Client as Device
from ostiary.services.context import Context, Ended, judged_again
from ostiary.services.paging import place_of, read_place
from ostiary.stores.port import Add, Append, Change, Remove, Swap

_PORTION = 500  # clients that are read at once


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFields:
    """What to register, or what to change: None leaves a field as it is. `jwks` is a JWK set as JSON members."""

    name: str | None = None
    grants: tuple[str, ...] | None = None
    audiences: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None
    scopes: tuple[str, ...] | None = None
    jwks: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSecret:
    """A client, and its secret if it has a new one: nobody can be shown it again."""

    client: Client
    secret: str | None = field(repr=False)
    ended: Ended


class Clients:
    """Use cases of clients. Those that change one raise what `still_may` raises, too."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def create(self, fields: ClientFields, *, actor: Actor, device: Device | None = None) -> NewSecret:
        """A new client; with a secret unless it brings keys. Raises InvalidRequest."""
        context = self._context
        now = context.now()
        blank = Client(id=context.new_id("cli"), name="", created_at=now)
        client = _with(blank, replace(fields, name=fields.name or ""))
        secret = None if client.jwks else opaque.client_secret(context.random(opaque.CLIENT_SECRET_BYTES))
        if secret is not None:
            client = replace(client, secret_digest=opaque.client_secret_digest(context.derived, secret))
        event = self._event(Event.CLIENT_CREATED, client, now, actor=actor, device=device)

        async def attempt() -> bool | None:
            conditions = await still_may(context, actor)
            return await context.write(*conditions, Add(client), event) or None

        await judged_again(attempt)
        return NewSecret(client=replace(client, revision=1), secret=secret, ended=context.ended(0))

    async def get(self, client_id: str) -> Client:
        """Raises NotFound."""
        client = await self._context.store.clients.get(client_id)
        if client is None:
            raise NotFound("No such client.")
        return client

    async def page(self, *, after: str, limit: int) -> tuple[list[Client], str | None]:
        """Clients by name, whatever its letters' case, and where to go on (None at the end). There are few, and their
        names change: all are read. Raises InvalidRequest for a place that is none."""
        place = tuple(read_place(after, 2)) if after else ("", "")
        found: list[Client] = []
        while rows := await self._context.store.clients.page(after=found[-1].id if found else "", limit=_PORTION):
            found += rows
        behind = sorted((client for client in found if _order(client) > place), key=_order)
        page = behind[:limit]
        return page, place_of(*_order(page[-1])) if len(behind) > limit else None

    async def change(
        self, client_id: str, fields: ClientFields, *, actor: Actor, device: Device | None = None
    ) -> tuple[Client, Ended]:
        """What is taken away voids what was issued to it before. Raises NotFound, InvalidRequest."""

        async def attempt() -> tuple[Client, Ended] | None:
            conditions = await still_may(self._context, actor)
            before = await self.get(client_id)
            after = _with(before, fields)
            if after == before:
                return before, self._context.ended(0)
            if fields.jwks is not None:
                after = replace(after, secret_digest=None)
            event = Event.CLIENT_CHANGED
            return await self._swap(before, after, event, actor=actor, device=device, conditions=conditions)

        return await judged_again(attempt)

    async def replace_secret(self, client_id: str, *, actor: Actor, device: Device | None = None) -> NewSecret:
        """A new secret in place of the old one, or of the keys. Raises NotFound."""
        context = self._context
        secret = opaque.client_secret(context.random(opaque.CLIENT_SECRET_BYTES))
        digest = opaque.client_secret_digest(context.derived, secret)

        async def attempt() -> tuple[Client, Ended] | None:
            conditions = await still_may(context, actor)
            before = await self.get(client_id)
            after = replace(before, secret_digest=digest, jwks=None)
            event = Event.CLIENT_SECRET_REPLACED
            return await self._swap(before, after, event, actor=actor, device=device, conditions=conditions)

        client, ended = await judged_again(attempt)
        return NewSecret(client=client, secret=secret, ended=ended)

    async def delete(self, client_id: str, *, actor: Actor, device: Device | None = None) -> Ended:
        """It is known no more, and what was issued to it is refused. Raises NotFound."""

        async def attempt() -> Ended | None:
            conditions = await still_may(self._context, actor)
            client = await self.get(client_id)
            now = self._context.now()
            written = await self._context.write(
                *conditions,
                Remove(client),
                await self._entry(replace(client, epoch=client.epoch + 1), now),
                self._event(Event.CLIENT_DELETED, client, now, actor=actor, device=device),
            )
            return self._context.ended(1) if written else None

        return await judged_again(attempt)

    async def _swap(
        self,
        before: Client,
        after: Client,
        event: Event,
        *,
        actor: Actor,
        device: Device | None,
        conditions: list[Change],
    ) -> tuple[Client, Ended] | None:
        now = self._context.now()
        voids = rules.may_less(before, after)
        if voids:
            after = replace(after, epoch=before.epoch + 1)
        changes: list[Change] = [
            *conditions,
            Swap(after),
            await self._entry(after, now),  # also where nothing is voided: whoever remembers it reads it again
            self._event(event, after, now, actor=actor, device=device),
        ]
        if not await self._context.write(*changes):
            return None
        return replace(after, revision=before.revision + 1), self._context.ended(int(voids))

    async def _entry(self, client: Client, now: float) -> Append:
        """Of what was issued to this client, only what is of its present epoch is accepted."""
        issuer = await self._context.store.issuer()
        longest = max(self._context.policy.lifetimes.access_token, limits.INTERNAL_TOKEN_SECONDS)
        return Append(
            Entry(
                scope=Scope.CLIENT,
                id=client.id,
                value=authorization_epoch(client.epoch, issuer.everything),
                until=self._context.keep_until(now + longest, now),
            )
        )

    def _event(self, event: Event, client: Client, now: float, *, actor: Actor, device: Device | None) -> Change:
        return self._context.audit(
            event, now, actor=name_of(actor), client=device, client_id=client.id, name=client.name
        )


def _with(client: Client, fields: ClientFields) -> Client:
    """The client with these fields, checked; all that is wrong is said at once. Raises InvalidRequest."""
    problems: list[str] = []
    changed: dict[str, Any] = {}
    checks = {
        "name": (fields.name, rules.check_name),
        "grants": (fields.grants, rules.check_grants),
        "audiences": (fields.audiences, lambda names: rules.check_services("audiences", names)),
        "targets": (fields.targets, lambda names: rules.check_services("targets", names)),
        "scopes": (fields.scopes, rules.check_scopes),
        "jwks": (fields.jwks, lambda jwks: json.dumps(checked_keys(jwks))),
    }
    for member, (value, check) in checks.items():
        if value is None:
            continue
        try:
            changed[member] = check(value)  # type: ignore[operator]
        except InvalidRequest as wrong:
            problems.append(str(wrong))
    if problems:
        raise InvalidRequest(" ".join(problems))
    return replace(client, **changed)


def _order(client: Client) -> tuple[str, str]:
    return client.name.casefold(), client.id
