"""Who this installation is: the authority of its `tag:` addresses and its signing key. Never shows the key."""

from __future__ import annotations

import ipaddress
import re
import secrets
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.errors import SchemaMismatch
from aggregator.storage.engine import Database, insert
from aggregator.storage.schema import deliveries, entries, entry_tags, feeds, issues, meta, stories, subscriptions

_IDENTITY = "identity"
_REVISION = "revision"
#: A DNS name as RFC 4151 2.1 allows it in an authority: letters, digits, hyphens, at least one dot.
_NAME = re.compile(r"(?=.{4,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Made once, at first start; a later change of `site.url` moves nothing."""

    #: A DNS name, the first half of every `tag:` address (RFC 4151).
    authority: str
    minted_on: date
    #: 32 random bytes; never logged.
    signing_key: bytes = field(repr=False)

    def entry_id(self, number: int) -> str:
        """``atom:id`` of an entry whose publisher gave none that can serve."""
        return f"tag:{self.authority},{self.minted_on.isoformat()}:entry/{number}"

    def story_id(self, number: int) -> str:
        """``atom:id`` of a story."""
        return f"tag:{self.authority},{self.minted_on.isoformat()}:story/{number}"


def ensure_identity(conn: Connection, *, site_url: str, now: datetime) -> Identity:
    """The stored identity; minted from ``site_url`` when there is none yet. Two that start at once agree on one."""
    value = {
        "authority": make_authority(site_url),
        "minted_on": now.date().isoformat(),
        "signing_key": secrets.token_hex(32),
    }
    conn.execute(insert(conn, meta).values(name=_IDENTITY, value=value).on_conflict_do_nothing())
    return get_identity(conn)


def get_identity(conn: Connection) -> Identity:
    """The stored identity. Raises `SchemaMismatch` when none was minted: the database was never set up."""
    value = get_value(conn, _IDENTITY)
    if value is None:
        raise SchemaMismatch("the database was never set up: run `aggregator db upgrade`")
    return Identity(
        authority=value["authority"],
        minted_on=date.fromisoformat(value["minted_on"]),
        signing_key=bytes.fromhex(value["signing_key"]),
    )


def get_revision(conn: Connection) -> str:
    """Opaque; another one after every change of what pages show."""
    return str(conn.execute(sa.select(meta.c.value).where(meta.c.name == _REVISION)).scalar() or "")


def renew_revision(conn: Connection) -> None:
    """To be called in the transaction that changes what pages show, whichever process does."""
    row = insert(conn, meta).values(name=_REVISION, value=secrets.token_hex(8))
    conn.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": row.excluded.value}))


def try_to_write(db: Database) -> None:
    """Write, and take it back: PostgreSQL says only at a real write that it may not. Raises `StorageError`."""
    with db.write() as conn:
        renew_revision(conn)
        conn.rollback()


def get_value(conn: Connection, name: str) -> Any:
    """A remembered value (JSON); None when there is none."""
    return conn.execute(sa.select(meta.c.value).where(meta.c.name == name)).scalar()


def set_value(conn: Connection, name: str, value: Any) -> None:
    """Remember a value (JSON) in place of what was remembered under this name."""
    statement = insert(conn, meta).values(name=name, value=value)
    conn.execute(
        statement.on_conflict_do_update(index_elements=[meta.c.name], set_={"value": statement.excluded.value})
    )


def make_authority(site_url: str) -> str:
    """The host of ``site_url`` when it is a public-looking name, else a random name that nobody can own (RFC 2606)."""
    host = (urlsplit(site_url).hostname or "").rstrip(".")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        host = ""
    try:
        name = host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        name = ""
    return name if _NAME.match(name) else f"localhost-{secrets.token_hex(4)}.invalid"


def count_rows(conn: Connection) -> dict[str, int]:
    """How many of each noun are stored."""
    tables = {
        "feeds": feeds,
        "entries": entries,
        "stories": stories,
        "tags": entry_tags,
        "issues": issues,
        "subscriptions": subscriptions,
        "deliveries": deliveries,
    }
    return {
        name: conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for name, table in tables.items()
    }
