"""What the revocation log asks of whoever follows it: see `ostiary.revocation.feed.Keeper`."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from itertools import islice

from ostiary import limits
from ostiary.domain.account import EPOCHS_PER_EVERYTHING, Issuer
from ostiary.domain.audit import Event
from ostiary.revocation.entry import Entry, Scope
from ostiary.services.context import Context, judged_again
from ostiary.services.ending import end_everything
from ostiary.stores.port import Append, Change, Swap


class LogKeeping:
    """One for each process. `keys_changed` reads the signing keys again."""

    def __init__(self, context: Context, keys_changed: Callable[[], Awaitable[None]]) -> None:
        self._context = context
        self._keys_changed = keys_changed

    async def keys_changed(self) -> None:
        """See the protocol."""
        await self._keys_changed()

    async def adopt(self, generation: int, known: int | None) -> int:
        """The issuer's record names the log that its count of "everything" was last raised for. Whoever first sees
        another log raises the count, names that log, and appends the entry, all in one write: what the lost log said
        need not be known any more, because everything that it could have refused is refused."""

        async def attempt() -> int | None:
            issuer = await self._context.store.issuer()
            if issuer.log_generation == generation and (known is None or issuer.everything > known):
                return issuer.everything
            if known is None and issuer.log_generation == 0:  # both are new
                named = replace(issuer, log_generation=generation)
                return issuer.everything if await self._context.store.write(Swap(named)) else None
            raised = replace(issuer, everything=max(issuer.everything, known or 0) + 1, log_generation=generation)
            written = await self._context.store.write(
                *self._everything_ended(raised, "", "the revocation log was lost")
            )
            return raised.everything if written else None

        return await judged_again(attempt)

    async def restore(self, entries: Iterable[Entry]) -> None:
        """Append them again, in portions."""
        rest = iter(entries)
        while portion := [*islice(rest, limits.STORE_BATCH)]:
            await self._context.store.write(*map(Append, portion))

    async def make_room(self) -> None:
        """A mark, and after it an end of everything that covers what ended before the mark: rule 3 of
        `revocation/knowledge.py`.

        Nothing is done if somebody else raises the count meanwhile: their end of everything will be followed by
        another look.
        """
        before = await self._context.store.issuer()
        if before.everything * EPOCHS_PER_EVERYTHING > self._context.replica.floor:
            return  # somebody just has, and the log will say so
        mark = self._context.random(8).hex()
        until = self._context.now() + limits.RECOGNISED_SECONDS
        await self._context.store.write(Append(Entry(scope=Scope.EVERYTHING, id=mark, value=0, until=until)))
        issuer = await self._context.store.issuer()  # after the mark: what ended before it counted no further than this
        if issuer.everything == before.everything:
            raised = replace(issuer, everything=issuer.everything + 1)
            await self._context.store.write(*self._everything_ended(raised, mark, "too many revocations at once"))

    def _everything_ended(self, raised: Issuer, mark: str, why: str) -> tuple[Change, ...]:
        now = self._context.now()
        return (
            *end_everything(self._context, raised, now, mark=mark),
            self._context.audit(Event.EVERYTHING_ENDED, now, actor="system", reason=why),
        )
