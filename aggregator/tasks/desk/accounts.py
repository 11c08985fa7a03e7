"""Who may work at the desk: accounts, logins, sessions, tokens of programs. Never keeps a password or a token.

Passwords are hashed by argon2id (RFC 9106, its second recommended parameters, which are argon2-cffi's own). What a
browser or a program shows is random, 256 bits; only its SHA-256 is stored.
"""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from hashlib import sha256
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from aggregator.app import App
from aggregator.errors import NotFound, StorageError, UsageError
from aggregator.model.account import Account, Role
from aggregator.storage import accounts, audit
from aggregator.storage.audit import Connection

#: A session ends so long after its last use, which is not written down more often than this.
SESSION, RENEWED_EVERY = timedelta(days=14), timedelta(days=1)
#: Failed logins count for so long: of one name from one network, of one network, of one name from anywhere.
FAILURES_COUNT_FOR = timedelta(minutes=15)
MOST_FAILURES = {"pair": 5, "network": 20, "name": 50}
#: Shorter passwords are refused; longer ones would only keep the machine busy.
PASSWORD_LENGTHS = range(12, 1025)
#: Each hash takes 64 MB and a core for a moment.
_TURNS = BoundedSemaphore(2)
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}\Z")
#: What `who` is for changes made by command line.
COMMAND = "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What came of one. ``token``: for the cookie; ``wait``: too many failed, none is tried before so long."""

    account: Account | None = None
    token: str = ""
    wait: timedelta = timedelta(0)


@cache
def _get_hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _get_decoy() -> str:
    """For names that nobody has: who guesses names learns nothing from how long it takes."""
    return _get_hasher().hash(secrets.token_urlsafe(16))


def hash_token(token: str) -> str:
    """As it is stored."""
    return sha256(token.encode()).hexdigest()


def check_name(name: str) -> str:
    """In lower case. Raises `UsageError`."""
    found = name.strip().lower()
    if not _NAME.match(found) or found == COMMAND:
        raise UsageError(f"{name!r}: a name is 1 to 40 of the letters a to z, digits, '.', '_' and '-'")
    return found


def check_password(password: str) -> str:
    """The password. Raises `UsageError`."""
    if len(password) not in PASSWORD_LENGTHS:
        least, most = PASSWORD_LENGTHS.start, PASSWORD_LENGTHS.stop - 1
        raise UsageError(f"a password has {least} to {most:,} characters, this one has {len(password):,}")
    return password


def create_account(app: App, name: str, password: str, *, role: Role, who: str = COMMAND) -> Account:
    """Raises `UsageError`: the name or the password will not do, or the name is taken."""
    name = check_name(name)
    hashed = _hash(check_password(password))
    with app.db.write() as conn:
        made = accounts.add(conn, name, role=role, password_hash=hashed, now=app.now())
        if made is None:
            raise UsageError(f"there is an account {name} already")
        _record(app, conn, who, "account.add", made, after={"role": role})
    return made


def change_password(app: App, name: str, password: str, *, who: str = COMMAND) -> None:
    """Every session and token of the account ends. Raises `NotFound`, `UsageError`."""
    hashed = _hash(check_password(password))
    with app.db.write() as conn:
        account = _find(conn, name)
        accounts.set_password(conn, account.id, hashed, now=app.now())
        _record(app, conn, who, "account.password", account)


def change_role(app: App, name: str, role: Role, *, who: str = COMMAND) -> None:
    """From the next request on. Raises `NotFound`."""
    with app.db.write() as conn:
        account = _find(conn, name)
        accounts.set_role(conn, account.id, role)
        _record(app, conn, who, "account.role", account, before={"role": account.role}, after={"role": role})


def remove_account(app: App, name: str, *, who: str = COMMAND) -> None:
    """Raises `NotFound`."""
    with app.db.write() as conn:
        account = _find(conn, name)
        accounts.remove(conn, account.id)
        _record(app, conn, who, "account.remove", account, before={"role": account.role})


def _find(conn: Connection, name: str) -> Account:
    found = accounts.find(conn, name.strip().lower())
    if found is None:
        raise NotFound(f"no account {name}")
    return found[0]


def _record(
    app: App, conn: Connection, who: str, action: str, account: Account, *, before: object = None,
    after: object = None,
) -> int:  # fmt: skip
    subject = f"account:{account.id}"
    return audit.record(
        conn, who=who, action=action, subject=subject, title=account.name, before=before, after=after, now=app.now()
    )


def log_in(app: App, name: str, password: str, network: str) -> Login:
    """A session for the right password; ``network``: where it is asked from, in any words.

    Whoever fails too often waits, before a password is looked at; who guesses names learns nothing.
    """
    name, now = name.strip().lower()[:100], app.now()
    keys = {"pair": f"pair:{name} {network}", "network": f"network:{network}", "name": f"name:{name}"}
    with app.db.read() as conn:
        failed = accounts.count_failures(conn, tuple(keys.values()), since=now - FAILURES_COUNT_FOR)
        found = accounts.find(conn, name)
    if any(failed.get(key, 0) >= MOST_FAILURES[kind] for kind, key in keys.items()):
        return Login(wait=FAILURES_COUNT_FOR)
    if (
        len(password) >= PASSWORD_LENGTHS.stop
        or not _verify(found[1] if found else _get_decoy(), password)
        or not found
    ):
        with app.db.write() as conn:
            accounts.add_failure(conn, tuple(keys.values()), now=now, forget_before=now - FAILURES_COUNT_FOR)
        return Login()
    account, hashed = found
    token = secrets.token_urlsafe(32)
    better = _hash(password) if _get_hasher().check_needs_rehash(hashed) else ""
    with app.db.write() as conn:
        if accounts.find(conn, name, lock=True) != found:
            return Login()  # it has another password by now, or is gone
        accounts.forget_failures(conn, keys["pair"])
        if better:
            accounts.renew_hash(conn, account.id, better)
        accounts.open_session(conn, account.id, hash_token(token), now=now, expires_at=now + SESSION)
    return Login(account=account, token=token)


def _hash(password: str) -> str:
    with _TURNS:
        return _get_hasher().hash(password)


def _verify(hashed: str, password: str) -> bool:
    try:
        with _TURNS:
            return _get_hasher().verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


def has_password(app: App, account: Account, password: str) -> bool:
    """Whether it is the account's own, for what is asked twice. Raises `UsageError` for who has guessed too often."""
    key, now = f"own:{account.name}", app.now()
    with app.db.read() as conn:
        failed = accounts.count_failures(conn, [key], since=now - FAILURES_COUNT_FOR)
        found = accounts.find(conn, account.name)
    if failed.get(key, 0) >= MOST_FAILURES["pair"]:
        raise UsageError("too many wrong passwords: please try again later")
    if found is not None and len(password) < PASSWORD_LENGTHS.stop and _verify(found[1], password):
        return True
    with app.db.write() as conn:
        accounts.add_failure(conn, [key], now=now, forget_before=now - FAILURES_COUNT_FOR)
    return False


def set_language(app: App, account: Account, language: str) -> int:
    """Of the desk's own words, for this account; the line in the log."""
    with app.db.write() as conn:
        accounts.set_language(conn, account.id, language)
        said = {"before": account.language, "after": language}
        return _record(app, conn, account.name, "account.language", account, **said)


def find_visitor(app: App, token: str) -> Account | None:
    """Whose session the cookie's ``token`` opens; it lasts from now on, again. None: nobody's."""
    if not token:
        return None
    now, hashed = app.now(), hash_token(token)
    with app.db.read() as conn:
        found = accounts.find_session(conn, hashed, now=now)
    if found is None:
        return None
    account, seen_at = found
    if now - seen_at > RENEWED_EVERY:
        with suppress(StorageError), app.db.write() as conn:  # who only looks needs nothing written
            accounts.renew_session(conn, hashed, now=now, expires_at=now + SESSION)
    return account


def log_out(app: App, token: str) -> None:
    """The session is over, whatever keeps the cookie."""
    with app.db.write() as conn:
        accounts.close_session(conn, hash_token(token))


def make_token(app: App, account: Account, label: str, role: Role) -> str:
    """For a program; shown once. Never more than the account itself may."""
    token = f"desk_{secrets.token_urlsafe(32)}"
    allowed: Role = role if account.may_edit else "viewer"
    with app.db.write() as conn:
        accounts.add_token(conn, account.id, hash_token(token), label=label, role=allowed, now=app.now())
        _record(app, conn, account.name, "token.add", account, after={"label": label, "role": allowed})
    return token


def end_token(app: App, account: Account, token_id: int) -> int:
    """The audit line. Raises `NotFound`."""
    with app.db.write() as conn:
        if not accounts.remove_token(conn, account.id, token_id):
            raise NotFound(f"no token {token_id}")
        return _record(app, conn, account.name, "token.remove", account, before={"token": token_id})


def find_program(app: App, token: str) -> Account | None:
    """Whose token a program shows, with no more than the token's own role; None: nobody's."""
    now = app.now()
    with app.db.read() as conn:
        found = accounts.find_token(conn, hash_token(token))
    if found is None:
        return None
    account, known = found
    if known.seen_at is None or now - known.seen_at > RENEWED_EVERY:
        with suppress(StorageError), app.db.write() as conn:
            accounts.mark_token(conn, known.id, now=now)
    return account if known.role == "editor" else replace(account, role="viewer")
