"""The secret key: set, or with SQLite alone a file beside the database, made at first start.

It holds text (base64url, one line), so that the same key can be handed to another node as `OSTIARY_SECRET_KEY`.
"""

import contextlib
import os
import secrets
import stat
from pathlib import Path

from ostiary.errors import Misconfigured
from ostiary.settings.record import Settings

_BYTES_MIN = 32
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def secret_key_of(settings: Settings) -> bytes:
    """The key to use: the one that was set, the one in the file, or for a store in memory a fresh one.

    Raises ``Misconfigured`` if none is set and the store is one that nodes share."""
    if settings.secret_key is not None:
        return settings.secret_key
    if settings.valkey is not None or settings.postgres is not None:
        raise Misconfigured(
            "secret_key is not set: a store that several nodes share needs the same on each of them. Make one with "
            "`openssl rand -base64 48` and set OSTIARY_SECRET_KEY or OSTIARY_SECRET_KEY_FILE"
        )
    path = settings.database_path
    return secrets.token_bytes(_BYTES_MIN) if path is None else load_or_create_secret_key(path)


def secret_key_path(database_path: Path) -> Path:
    """`<database>.key`."""
    return database_path.with_name(database_path.name + ".key")


def load_or_create_secret_key(database_path: Path) -> bytes:
    """The key beside the database; made (mode 0600) if there is none.

    However many processes start at once, all of them return the same key and none sees half of it. Raises
    ``Misconfigured`` if the file can be read by others, is too short, or cannot be read or made.
    """
    path = secret_key_path(database_path)
    if not path.parent.is_dir():
        raise Misconfigured(f"The database's folder {path.parent} does not exist: make it, or choose another database")
    try:
        # the database first: whoever makes one makes the key before it
        has_database = database_path.exists() and database_path.stat().st_size > 0
        if not path.exists():
            if has_database:
                raise Misconfigured(
                    f"The database {database_path} is there, but its secret key {path} is not: restore the file from a "
                    "backup, or set OSTIARY_SECRET_KEY_FILE"
                )
            _create(path)
        return _load(path)
    except OSError as wrong:
        raise Misconfigured(
            f"The secret key {path} cannot be read or made ({wrong.strerror}): make its folder writable, or set "
            "OSTIARY_SECRET_KEY_FILE"
        ) from wrong


def _create(path: Path) -> None:
    """Write it whole under another name, then give it its name if that is still free."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_urlsafe(48).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """A key that signed something must still be there after a crash."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _load(path: Path) -> bytes:
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise Misconfigured(f"The secret key {path} is not a file")
        if os.name == "posix" and mode & _OTHERS:
            raise Misconfigured(
                f"The secret key {path} can be read by others: run `chmod 600` on it, and if somebody may have "
                "read it, end everything and make new signing keys"
            )
        key = file.read(8192).removesuffix(b"\n").removesuffix(b"\r")
    if len(key) < _BYTES_MIN:
        raise Misconfigured(f"The secret key {path} is shorter than {_BYTES_MIN} bytes: restore it from a backup")
    return key
