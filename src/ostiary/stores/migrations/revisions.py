"""Running the revisions: Alembic without its environment script and its configuration file.

Kept apart because importing it takes about half a second, which only an upgrade is worth.
"""

import io
import sqlite3
from collections.abc import Callable
from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from ostiary.errors import Misconfigured
from ostiary.stores.migrations.indexes import Index


def head() -> str:
    """The newest revision."""
    newest = _scripts().get_current_head()
    assert newest is not None  # noqa: S101 - we ship at least one
    return newest


def run(connection: sqlite3.Connection, version: str | None) -> None:
    """Take an open SQLite connection, in a transaction of the caller's, from `version` to the head. Raises what the
    connection itself would."""
    scripts = _scripts()
    _check_known(scripts, version)

    def left_to_the_caller(_connection: object) -> None:
        """SQLAlchemy ends the transaction of a connection that it lets go of; this one goes on."""

    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    engine.dialect.do_commit = engine.dialect.do_rollback = left_to_the_caller  # type: ignore[method-assign, assignment]
    with engine.connect() as wrapped, EnvironmentContext(Config(), scripts, fn=_steps(scripts, "head")) as environment:
        environment.configure(connection=wrapped, transaction_per_migration=False)
        try:
            environment.run_migrations()
        except DBAPIError as error:
            if error.orig is None:
                raise
            raise error.orig from error


@cache
def postgres_statements(version: str | None, *, to: str = "head") -> str:
    """What takes a PostgreSQL schema, the first of the search path, from `version` to another, as one text.

    Revisions are statements alone: none of them looks at the data, so that they can be read before they are run.
    """
    scripts = _scripts()
    _check_known(scripts, version)
    written = io.StringIO()
    with EnvironmentContext(
        Config(), scripts, fn=_steps(scripts, to), as_sql=True, starting_rev=version, destination_rev=to
    ) as environment:
        environment.configure(dialect_name="postgresql", output_buffer=written, transaction_per_migration=False)
        environment.run_migrations()
    return written.getvalue()


@cache
def postgres_indexes(version: str) -> tuple[Index, ...]:
    """What should be built before a schema of this version is upgraded, the oldest revision's first."""
    scripts = _scripts()
    _check_known(scripts, version)
    found: list[Index] = []
    for script in scripts.iterate_revisions("head", version):
        found[:0] = getattr(script.module, "INDEXES", ())
    return tuple(found)


def _check_known(scripts: ScriptDirectory, version: str | None) -> None:
    known = {script.revision for script in scripts.walk_revisions()}
    if version is not None and version not in known:
        raise Misconfigured("The database was made by a newer version of Ostiary; install that version.")


def _steps(scripts: ScriptDirectory, to: str) -> Callable[[object, MigrationContext], list[RevisionStep]]:
    def steps(revision: object, _context: MigrationContext) -> list[RevisionStep]:
        return scripts._upgrade_revs(to, revision)  # type: ignore[arg-type]  # noqa: SLF001 - as `alembic upgrade`

    return steps


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(Path(__file__).parent))
