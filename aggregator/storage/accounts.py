"""Accounts of the desk, their sessions, tokens and failed logins. Never sees a password or a token, only hashes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from aggregator.model.account import Account, Role, Token
from aggregator.model.ids import AccountId
from aggregator.storage.engine import insert
from aggregator.storage.schema import accounts, api_tokens, login_failures, sessions


def add(conn: Connection, name: str, *, role: Role, password_hash: str, now: datetime) -> Account | None:
    """None: the name is taken."""
    values = {
        "name": name, "role": role, "password": password_hash, "language": "", "created_at": now, "changed_at": now,
    }  # fmt: skip
    made = conn.execute(insert(conn, accounts).values(values).on_conflict_do_nothing().returning(accounts.c.id)).first()
    return get(conn, AccountId(made.id)) if made else None


def exist(conn: Connection) -> bool:
    """Whether anybody may log in."""
    return conn.execute(sa.select(accounts.c.id).limit(1)).first() is not None


def list_accounts(conn: Connection) -> tuple[Account, ...]:
    """By name."""
    return tuple(_make(row) for row in conn.execute(sa.select(accounts).order_by(accounts.c.name)))


def get(conn: Connection, account_id: AccountId) -> Account | None:
    """None: it is gone."""
    row = conn.execute(sa.select(accounts).where(accounts.c.id == account_id)).first()
    return _make(row) if row else None


def find(conn: Connection, name: str, *, lock: bool = False) -> tuple[Account, str] | None:
    """The account of a name with its password's hash; ``lock``: both stay so until the transaction ends."""
    query = sa.select(accounts).where(accounts.c.name == name)
    row = conn.execute(query.with_for_update() if lock else query).first()
    return (_make(row), row.password) if row else None


def set_password(conn: Connection, account_id: AccountId, password_hash: str, *, now: datetime) -> None:
    """Whoever is logged in with the old one is out, programs of the account with them."""
    values = {"password": password_hash, "changed_at": now}
    conn.execute(sa.update(accounts).where(accounts.c.id == account_id).values(values))
    _end_all(conn, account_id)


def renew_hash(conn: Connection, account_id: AccountId, password_hash: str) -> None:
    """The same password, hashed with today's parameters: nobody is logged out."""
    conn.execute(sa.update(accounts).where(accounts.c.id == account_id).values(password=password_hash))


def set_role(conn: Connection, account_id: AccountId, role: Role) -> None:
    """From the next request on; what its programs may do shrinks with it."""
    conn.execute(sa.update(accounts).where(accounts.c.id == account_id).values(role=role))


def set_language(conn: Connection, account_id: AccountId, language: str) -> None:
    """Of the desk's own words; empty: the site's."""
    conn.execute(sa.update(accounts).where(accounts.c.id == account_id).values(language=language))


def remove(conn: Connection, account_id: AccountId) -> None:
    """With its sessions and tokens; what it did stays in the log."""
    _end_all(conn, account_id)
    conn.execute(sa.delete(accounts).where(accounts.c.id == account_id))


def _end_all(conn: Connection, account_id: AccountId) -> None:
    conn.execute(sa.delete(sessions).where(sessions.c.account_id == account_id))
    conn.execute(sa.delete(api_tokens).where(api_tokens.c.account_id == account_id))


def open_session(
    conn: Connection, account_id: AccountId, token_hash: str, *, now: datetime, expires_at: datetime
) -> None:
    """One more; what has expired, of anybody, goes."""
    conn.execute(sa.delete(sessions).where(sessions.c.expires_at <= now))
    values = {
        "token_hash": token_hash, "account_id": account_id, "created_at": now, "seen_at": now, "expires_at": expires_at,
    }  # fmt: skip
    conn.execute(sa.insert(sessions).values(values))


def find_session(conn: Connection, token_hash: str, *, now: datetime) -> tuple[Account, datetime] | None:
    """Whose session it is, and when it was last renewed; None: nobody's, or it has expired."""
    query = (
        sa.select(accounts, sessions.c.seen_at)
        .join(sessions, sessions.c.account_id == accounts.c.id)
        .where(sessions.c.token_hash == token_hash, sessions.c.expires_at > now)
    )
    row = conn.execute(query).first()
    return (_make(row), row.seen_at) if row else None


def renew_session(conn: Connection, token_hash: str, *, now: datetime, expires_at: datetime) -> None:
    """It is used."""
    found = sessions.c.token_hash == token_hash
    conn.execute(sa.update(sessions).where(found).values(seen_at=now, expires_at=expires_at))


def close_session(conn: Connection, token_hash: str) -> None:
    """Log out."""
    conn.execute(sa.delete(sessions).where(sessions.c.token_hash == token_hash))


def add_token(
    conn: Connection, account_id: AccountId, token_hash: str, *, label: str, role: Role, now: datetime
) -> None:
    """A program may do what ``role`` may, and never more than the account."""
    values = {"token_hash": token_hash, "account_id": account_id, "label": label, "role": role, "created_at": now}
    conn.execute(sa.insert(api_tokens).values(values))


def find_token(conn: Connection, token_hash: str) -> tuple[Account, Token] | None:
    """Whose token it is."""
    query = (
        sa.select(
            accounts,
            api_tokens.c.id.label("token_id"),
            api_tokens.c.label,
            api_tokens.c.role.label("token_role"),
            api_tokens.c.created_at.label("token_created_at"),
            api_tokens.c.seen_at,
        )
        .join(api_tokens, api_tokens.c.account_id == accounts.c.id)
        .where(api_tokens.c.token_hash == token_hash)
    )
    row = conn.execute(query).first()
    if row is None:
        return None
    token = Token(
        id=row.token_id, label=row.label, role=row.token_role, created_at=row.token_created_at, seen_at=row.seen_at
    )
    return _make(row), token


def mark_token(conn: Connection, token_id: int, *, now: datetime) -> None:
    """It was used."""
    conn.execute(sa.update(api_tokens).where(api_tokens.c.id == token_id).values(seen_at=now))


def list_tokens(conn: Connection, account_id: AccountId) -> tuple[Token, ...]:
    """Newest first."""
    query = sa.select(api_tokens).where(api_tokens.c.account_id == account_id).order_by(api_tokens.c.id.desc())
    return tuple(
        Token(id=row.id, label=row.label, role=row.role, created_at=row.created_at, seen_at=row.seen_at)
        for row in conn.execute(query)
    )


def remove_token(conn: Connection, account_id: AccountId, token_id: int) -> bool:
    """False: the account has none of this number."""
    found = (api_tokens.c.id == token_id, api_tokens.c.account_id == account_id)
    return conn.execute(sa.delete(api_tokens).where(*found)).rowcount > 0


def count_failures(conn: Connection, keys: Sequence[str], *, since: datetime) -> dict[str, int]:
    """Logins that failed since then, by key."""
    query = (
        sa.select(login_failures.c.key, sa.func.count())
        .where(login_failures.c.key.in_(keys), login_failures.c.at > since)
        .group_by(login_failures.c.key)
    )
    found: dict[str, int] = dict(conn.execute(query).all())
    return found


def add_failure(conn: Connection, keys: Sequence[str], *, now: datetime, forget_before: datetime) -> None:
    """One more of each key; what is too old to count goes."""
    conn.execute(sa.delete(login_failures).where(login_failures.c.at < forget_before))
    conn.execute(sa.insert(login_failures), [{"key": key, "at": now} for key in keys])


def forget_failures(conn: Connection, key: str) -> None:
    """Of a name whose owner has logged in."""
    conn.execute(sa.delete(login_failures).where(login_failures.c.key == key))


def _make(row: Row[Any]) -> Account:
    return Account(
        id=AccountId(row.id),
        name=row.name,
        role=row.role,
        language=row.language,
        created_at=row.created_at,
        changed_at=row.changed_at,
    )
