"""Turns what database drivers raise into our own errors, one line each and never with a password. Never hides a bug."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc
from sqlalchemy.engine import URL

from aggregator.errors import DatabaseUnavailable, SchemaMismatch, StorageError

#: SQLite's primary result codes (sqlite.org/rescode.html) that say something about the place, not about our statement.
_UNAVAILABLE = (
    "BUSY",
    "LOCKED",
    "CANTOPEN",
    "READONLY",
    "FULL",
    "IOERR",
    "NOTADB",
    "CORRUPT",
    "PERM",
    "AUTH",
    "PROTOCOL",
    "NOLFS",
)
_NO_SUCH_THING = ("no such table", "no such column", "has no column named")
#: undefined_table, undefined_column (PostgreSQL, appendix A).
_UNDEFINED = ("42P01", "42703")
#: insufficient_privilege: somebody has to see to the role.
_NO_RIGHT = "42501"
#: read_only_sql_transaction: a standby, which may be the server tomorrow.
_READ_ONLY = "25006"


@contextmanager
def translate(url: URL) -> Iterator[None]:
    """Let database errors leave as `DatabaseUnavailable`, `SchemaMismatch` or `StorageError`; all else as it is."""
    try:
        yield
    except exc.TimeoutError:
        raise DatabaseUnavailable(f"{_name(url)}: all connections are in use") from None
    except exc.DBAPIError as error:
        found = _find_error(error, url)
        if found is None:
            raise
        raise found from error


def _find_error(error: exc.DBAPIError, url: URL) -> StorageError | None:
    """The error of ours that ``error`` stands for; None when it is a bug (a bad statement)."""
    text = f"{_name(url)}: {_first_line(error, url)}"
    if _is_schema_gap(error):
        return SchemaMismatch(f"{text}; run `aggregator db upgrade`")
    if isinstance(error, exc.IntegrityError | exc.DataError):
        return StorageError(text)
    code = getattr(error.orig, "sqlite_errorname", None)
    if code is not None:
        return DatabaseUnavailable(text) if code.split("_")[1] in _UNAVAILABLE else None
    state = getattr(error.orig, "sqlstate", None)
    if state == _NO_RIGHT:
        return StorageError(text)
    is_away = error.connection_invalidated or isinstance(error, exc.OperationalError | exc.InterfaceError)
    if is_away or state == _READ_ONLY:
        return DatabaseUnavailable(text)
    return None


def _is_schema_gap(error: exc.DBAPIError) -> bool:
    if getattr(error.orig, "sqlstate", None) in _UNDEFINED:
        return True
    return isinstance(error, exc.OperationalError) and any(words in str(error.orig) for words in _NO_SUCH_THING)


def _first_line(error: exc.DBAPIError, url: URL) -> str:
    lines = str(error.orig).strip().splitlines()
    line = " ".join(lines[0].split()) if lines else type(error.orig).__name__
    return line.replace(url.password, "***") if isinstance(url.password, str) and url.password else line


def _name(url: URL) -> str:
    kind = url.get_backend_name()
    return url.database or "" if kind == "sqlite" else url.set(drivername=kind).render_as_string(hide_password=True)
