"""Importing accounts in batches, each of them one transaction: what was imported stays, whatever happens next."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from ostiary.cli.import_file import BadRow, Format, RefusedRows, Row, is_the_same, opened
from ostiary.cli.output import note, say, say_json
from ostiary.cli.progress import Progress
from ostiary.cli.shell import DONE, REFUSED
from ostiary.cli.system import ACTOR
from ostiary.compose import System
from ostiary.domain.account import USER
from ostiary.errors import InvalidRequest, PasswordRejected
from ostiary.limits import IMPORT_BATCH
from ostiary.passwords.pool import available_cores
from ostiary.passwords.stored import read as read_hash
from ostiary.services.accounts import NewAccount

_HASHED_BATCH = 50  # rows of a batch with passwords to hash: about a second of work that an interruption loses
_REASONS_SHOWN = 10


@dataclass(slots=True)
class Tally:
    """What has become of the rows so far."""

    imported: int = 0
    skipped: int = 0
    refused: int = 0
    first_refused: list[BadRow] = field(default_factory=list)

    @property
    def done(self) -> int:
        return self.imported + self.skipped + self.refused


async def import_file(system: System, name: str, *, form: Format | None, errors: Path | None, json: bool) -> int:
    """Import everything that can be, and say what became of it. Returns the exit code."""
    tally = Tally()
    with ExitStack() as stack:
        file = stack.enter_context(opened(name, form))
        total = file.count()
        refused = None
        if errors is not None:
            if is_the_same(name, errors):
                raise InvalidRequest("The file for refused rows is the one that is read: name another.")
            refused = RefusedRows(errors, file.form)
            stack.callback(refused.close)
        finished = False
        try:
            with Progress("import", total=total) as progress:
                importer = _Importer(system, tally, progress)
                for batch in _batches(file):
                    bad = await importer.add(batch)
                    if refused is not None:
                        refused.write(bad)
            finished = True
        finally:
            if not finished:
                note(f"interrupted after {tally.done} of {total}; run the same command again to finish the rest")
    _tell(tally, json=json, errors=errors)
    return REFUSED if tally.refused else DONE


def _tell(tally: Tally, *, json: bool, errors: Path | None) -> None:
    if errors is None:
        for row in tally.first_refused:
            note(f"line {row.line}: {row.reason}")
        if tally.refused > len(tally.first_refused):
            note(f"… and {tally.refused - len(tally.first_refused)} more; --errors FILE writes them all")
    if json:
        say_json({"imported": tally.imported, "skipped": tally.skipped, "refused": tally.refused})
        return
    where = f" (see {errors})" if errors is not None and tally.refused else ""
    say(f"Imported {tally.imported}, skipped {tally.skipped} that exist, refused {tally.refused}{where}.")


def _batches(rows: Iterable[Row | BadRow]) -> Iterator[list[Row | BadRow]]:
    batch: list[Row | BadRow] = []
    to_hash = 0
    for row in rows:
        batch.append(row)
        to_hash += isinstance(row, Row) and row.password is not None
        if len(batch) >= IMPORT_BATCH or to_hash >= _HASHED_BATCH:
            yield batch
            batch, to_hash = [], 0
    if batch:
        yield batch


class _Importer:
    def __init__(self, system: System, tally: Tally, progress: Progress) -> None:
        self._system = system
        self._tally = tally
        self._progress = progress
        self._hashing = asyncio.Semaphore(2 * available_cores())

    async def add(self, batch: list[Row | BadRow]) -> list[BadRow]:
        """Import one batch; return the rows that were refused."""
        bad = [row for row in batch if isinstance(row, BadRow)]
        wanted: dict[str, tuple[Row, NewAccount]] = {}
        repeated = 0
        for row in batch:
            if isinstance(row, BadRow):
                continue
            try:
                key, new = self._checked(row)
            except InvalidRequest as wrong:
                bad.append(_refused(row, str(wrong)))
                continue
            repeated += key in wanted
            wanted.setdefault(key, (row, new))
        there = await self._existing(wanted)
        fresh = [pair for key, pair in wanted.items() if key not in there]
        hashed = await asyncio.gather(*(self._hashed(row, new) for row, new in fresh))
        bad += [result for result in hashed if isinstance(result, BadRow)]
        news = [result for result in hashed if isinstance(result, NewAccount)]
        made = await self._system.accounts.add_hashed(news, actor=ACTOR) if news else []
        bad.sort(key=lambda row: row.line)
        self._count(imported=sum(made), skipped=repeated + len(there) + made.count(False), bad=bad)
        return bad

    def _checked(self, row: Row) -> tuple[str, NewAccount]:
        if row.password_hash is not None and read_hash(row.password_hash) is None:
            raise InvalidRequest("the password hash is of no kind that can be verified here, or costs too much")
        new = NewAccount(
            username=row.username,
            email=row.email,
            display_name=row.display_name,
            roles=row.roles or (USER,),
            password_hash=row.password_hash or "",
        )
        key = self._system.accounts.check(new)
        if row.password is not None:
            self._system.passwords.check_rules(row.password, username=row.username, email=row.email)
        return key, new

    async def _existing(self, keys: Iterable[str]) -> set[str]:
        names = list(keys)
        found = await asyncio.gather(*(self._system.store.accounts.by_username(name) for name in names))
        return {name for name, account in zip(names, found, strict=True) if account is not None}

    async def _hashed(self, row: Row, new: NewAccount) -> NewAccount | BadRow:
        if row.password is None:
            return new
        try:
            async with self._hashing:
                return replace(new, password_hash=await self._system.passwords.hash(row.password))
        except (InvalidRequest, PasswordRejected) as wrong:
            return _refused(row, str(wrong))

    def _count(self, *, imported: int, skipped: int, bad: list[BadRow]) -> None:
        tally = self._tally
        tally.imported += imported
        tally.skipped += skipped
        tally.refused += len(bad)
        tally.first_refused += bad[: _REASONS_SHOWN - len(tally.first_refused)]
        self._progress.show(tally.done, tally.refused)


def _refused(row: Row, reason: str) -> BadRow:
    return BadRow(line=row.line, reason=reason, raw=row.raw)
