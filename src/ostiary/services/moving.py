"""Sessions that turn up elsewhere: told once for each place, and ended where the session is bound like that."""

from ostiary import limits
from ostiary.domain.audit import Event
from ostiary.domain.binding import Binding, Bound, Place, place_of
from ostiary.domain.session import EndReason, Session
from ostiary.errors import Conflict, NotFound
from ostiary.services.context import Client, Context
from ostiary.services.sessions import Sessions
from ostiary.stores.port import Change


def bound_of(context: Context, session: Session) -> Bound | None:
    """Where the session has to stay; None if that is nowhere, or the setting is `off` now."""
    if context.policy.binding == Binding.OFF or session.binding == Binding.OFF:
        return None
    return Bound(place_of(session.client_ip, session.client_label), Binding(session.binding))


class Moving:
    """The use case of a move. What is only observed is written later, beside the requests (`flush`)."""

    def __init__(self, context: Context, sessions: Sessions) -> None:
        self._context = context
        self._sessions = sessions
        self._told: set[tuple[str, Place]] = set()
        self._unwritten: list[Change] = []

    def bound_of(self, session: Session) -> Bound | None:
        """See `bound_of`."""
        return bound_of(self._context, session)

    @property
    def is_off(self) -> bool:
        """No session has to stay anywhere."""
        return self._context.policy.binding == Binding.OFF

    def observe(self, session_id: str, account_id: str, bound: Bound, place: Place, client: Client, now: float) -> None:
        """Put it into the audit trail, unless this process has done so for this session and place."""
        if (session_id, place) in self._told:
            return
        if len(self._told) >= limits.MOVES_REMEMBERED:
            self._told.clear()  # telling it twice is better than not at all
        self._told.add((session_id, place))
        if len(self._unwritten) < limits.MOVES_REMEMBERED:
            self._unwritten.append(
                self._context.audit(
                    Event.SESSION_MOVED,
                    now,
                    account_id=account_id,
                    session_id=session_id,
                    actor="unknown",
                    client=client,
                    moved=list(bound.place.left_for(place)),
                    binding=bound.binding.value,
                )
            )

    async def end(self, session_id: str, client: Client) -> None:
        """End it, and say so in the audit trail; nothing if it is over already."""
        try:
            await self._sessions.end(session_id, reason=EndReason.MOVED, actor="system", client=client)
        except (NotFound, Conflict):
            return

    async def flush(self) -> None:
        """Write what was observed. Raises Unavailable, and then keeps it."""
        unwritten, self._unwritten = self._unwritten, []
        if unwritten:
            try:
                await self._context.write(*unwritten)
            except BaseException:
                self._unwritten = unwritten + self._unwritten
                raise
