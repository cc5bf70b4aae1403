"""What a log tells when it is read again from its start: whatever else its replica holds, the log has lost."""

from collections.abc import Iterator

from ostiary.revocation.entry import Entry, Scope
from ostiary.revocation.packed import Packed
from ostiary.revocation.table import Table


class Reread:
    """The highest value of each id that was told so far; of what could be packed, that it was."""

    __slots__ = ("_ended", "_values")

    def __init__(self) -> None:
        self._values: dict[tuple[Scope, str], int] = {}
        self._ended = Packed()

    def note(self, entry: Entry, sessions: Table) -> None:
        """`sessions` knows which of them can be packed."""
        if entry.scope is not Scope.SESSION or not sessions.put_into(self._ended, entry.id, entry.value):
            name = (entry.scope, entry.id)
            self._values[name] = max(entry.value, self._values.get(name, 0))

    def note_ended(self, ids: bytes) -> None:
        """Many sessions, as `Probe.packed` tells of them."""
        self._ended.load(0, ids, again=False)

    def missing(self, scope: Scope, table: Table, now: float) -> Iterator[Entry]:
        """What this table holds, that lives at `now` (wall), and that was not told."""
        for entry_id, value, until in (*table.entries(), *table.packed_entries(self._ended)):
            told = self._values.get((scope, entry_id), 0) >= value or (
                scope is Scope.SESSION and table.is_in(self._ended, entry_id)
            )
            if until > now and not told:
                yield Entry(scope=scope, id=entry_id, value=value, until=until)
