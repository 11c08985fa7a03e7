"""Authors: names and addresses as feedparser joins them. Its quirks are kept, they decide what several authors become.

`Reader.context` holds ``authors`` (a dictionary each), ``author`` (the last of them in words) and ``author_detail``,
which may be the same dictionary as the first author's: a later name then overwrites that one, too.
"""

from __future__ import annotations

import re
from typing import Any

from aggregator.pipeline.parse.fast.limits import count_part
from aggregator.pipeline.parse.fast.names import HANDLED
from aggregator.pipeline.parse.fast.reader import NO_ATTRIBUTES, Attributes, Inside, Kind, Reader, Unmodelled
from aggregator.pipeline.parse.guard import is_searchable

_EMAIL = re.compile(
    r"(([a-zA-Z0-9\_\-\.\+]+)@((\[[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.)|(([a-zA-Z0-9\-]+\.)+))"
    r"([a-zA-Z]{2,4}|[0-9]{1,3})(\]?))(\?subject=\S+)?"
)
_PARTS = {
    "name": "name", "itunes_name": "name", "email": "email", "itunes_email": "email",
    "url": "href", "uri": "href", "homepage": "href",
}  # fmt: skip


def begin_author(reader: Reader, _attributes: Attributes) -> None:
    count_part(reader)
    reader.context.setdefault("authors", []).append({})


def finish_author(reader: Reader, _attributes: Attributes, text: str) -> None:
    if reader.markup:
        text = ("".join(reader.markup) + "".join(reader.pieces)).strip()
    reader.store("author", reader.repair(text))
    _name_author(reader.context)


def _start_part(reader: Reader, kind: Kind, attributes: Attributes) -> None:
    if reader.inner:
        raise Unmodelled("markup in a person's name")
    if kind.name not in _PARTS and kind.name in HANDLED:
        raise Unmodelled("more than a person in an author")
    reader.markup.append("".join(reader.pieces))
    reader.unnamed = bool(attributes)


def _start_author_part(reader: Reader, kind: Kind, attributes: Attributes) -> None:
    """Google's feeds tell the titles of their authors; feedparser takes those for titles of the entries."""
    if kind.name != "title" or attributes or reader.inner:
        _start_part(reader, kind, attributes)
        return
    reader.markup.append("".join(reader.pieces))
    reader.unnamed = False


def _end_author_part(reader: Reader, kind: Kind) -> None:
    part = _PARTS.get(kind.name)
    text = "".join(reader.pieces)
    if kind.name == "title":
        around, reader.markup = reader.markup, []
        reader.save_title(NO_ATTRIBUTES, text.strip())
        reader.markup = around
    elif part:
        _save_part(reader.context, part, text.strip())
    elif reader.unnamed:  # what has attributes is no place of its own for text
        reader.markup.append(text)


def _end_owner_part(reader: Reader, kind: Kind) -> None:
    """feedparser writes an owner's name into the last author."""
    part = _PARTS.get(kind.name)
    if part in ("name", "email"):
        text = "".join(reader.pieces).strip()
        _name_author(reader.context)
        reader.context.setdefault("authors", [{}])[-1][part] = text


def _end_ignored_part(reader: Reader, kind: Kind) -> None:
    """A contributor is nobody's author."""


IN_AUTHOR = Inside(_start_author_part, _end_author_part)
IN_OWNER = Inside(_start_part, _end_owner_part)
IN_CONTRIBUTOR = Inside(_start_part, _end_ignored_part)


def _save_part(context: dict[str, Any], part: str, text: str) -> None:
    context.setdefault("author_detail", {})[part] = text
    _name_author(context)
    context.setdefault("authors", [{}])[-1][part] = text


def _name_author(context: dict[str, Any]) -> None:
    """The last author in words; where there are only words, name and address are looked for in them."""
    authors = context.get("authors")
    detail: dict[str, str] = authors[-1] if authors else {}
    if detail:
        name, email = detail.get("name"), detail.get("email")
        if name or email:
            context["author"] = f"{name} ({email})" if name and email else name or email
        return
    author = context.get("author")
    if not author:
        return
    found = _EMAIL.search(author) if "@" in author and is_searchable(author) else None
    if found:
        author = _without_address(author, found[0])
        detail["email"] = found[0]
    if author:
        detail["name"] = author
    if detail:
        context.setdefault("author_detail", detail)


def _without_address(author: str, email: str) -> str:
    for part in (email, "()", "<>", "&lt;&gt;"):
        author = author.replace(part, "")
    author = author.strip()
    author = author[1:] if author.startswith("(") else author
    author = author[:-1] if author.endswith(")") else author
    return author.strip()
