"""How columns are made, the same for every table and both databases. Never names a table.

Texts are never NULL (empty means none); instants may be, where they can be missing.
"""

from __future__ import annotations

from typing import Any, get_args

import sqlalchemy as sa

from aggregator.storage.engine import UTC

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: 64 bits everywhere; SQLite numbers rows by itself only when the type says exactly INTEGER.
Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def make_id() -> sa.Column[int]:
    return sa.Column("id", Id, primary_key=True, autoincrement=True)


def text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False)


def later_text(name: str) -> sa.Column[str]:
    """A text that came with a later revision: what was stored before has none."""
    return sa.Column(name, sa.Text, nullable=False, server_default=sa.text("''"))


def make_folded() -> sa.Column[str]:
    """Of a row's ``email`` (all ASCII), in lower case: what its beginning is looked for in, byte by byte on both."""
    kind = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.Column("folded", kind, nullable=False, server_default=sa.text("''"), default=_fold)


def _fold(context: Any) -> str:
    return str(context.get_current_parameters()["email"]).lower()


def later_number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default="0")


def instant(name: str, *, optional: bool = False) -> sa.Column[Any]:
    return sa.Column(name, UTC, nullable=optional)


def make_tries() -> tuple[sa.Column[Any], ...]:
    """Of what is sent: who has it until when, how often it was tried, when it is tried next, and the last answer."""
    return (
        text("lease_owner"),
        instant("lease_until", optional=True),
        number("attempts"),
        instant("next_try_at"),
        number("code"),
        text("reply_text"),
    )


def points_to(name: str, target: str, *, optional: bool = False, cascade: bool = False) -> sa.Column[int]:
    return sa.Column(name, Id, sa.ForeignKey(target, ondelete="CASCADE" if cascade else None), nullable=optional)


def one_of(column: str, words: object) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{column} IN ({', '.join(repr(word) for word in get_args(words))})", name=column)
