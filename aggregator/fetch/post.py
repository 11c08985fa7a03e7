"""One Markdown post: front matter and body into plain fields. Never reads a file, never cleans."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_JEKYLL_NAME = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})-(?=.)")
_ISO_DATE = re.compile(r"(\d{4}-\d\d-\d\d)[T ]+(\d\d:\d\d(?::\d\d)?)(?:\.\d+)? ?(Z|[+-]\d\d:?\d\d)?$", re.IGNORECASE)
_HEADING = re.compile(r"^#[ \t]+(\S.*)$", re.MULTILINE)
_MAX_WORDS = 100
_MAX_MINUTES = 1_000


class NoPost(Exception):
    """The file does not begin with front matter, or is not to be published yet."""


class PostError(Exception):
    """The post cannot be read; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What the front matter and the name of the file say. Nothing is cleaned yet."""

    id: str
    slug: str
    title: str
    #: False: the title was made from the file's name.
    has_title: bool
    #: The address that the front matter claims; empty when none.
    url: str
    author: str
    language: str
    summary_html: str
    content_html: str
    published_at: datetime | None
    updated_at: datetime | None
    categories: tuple[str, ...]
    reading_minutes: int | None


def read_post(data: bytes, name: str) -> Post:
    """Reads a post; ``name`` is its path inside the folder, with ``/``. Raises `NoPost` or `PostError`."""
    fields, body = _split(data.decode("utf-8-sig", errors="replace"))
    if fields.get("draft") is True or fields.get("published") is False:
        raise NoPost(name)
    path = PurePosixPath(name)
    stem = path.parent.name if path.stem == "index" and path.parent.name else path.stem
    title = _get_text(fields, "title") or _find_heading(body)
    return Post(
        id=_get_text(fields, "id", "guid") or path.with_suffix("").as_posix(),
        slug=_get_text(fields, "slug") or _JEKYLL_NAME.sub("", stem, count=1),
        title=title or _JEKYLL_NAME.sub("", stem, count=1).replace("-", " ").replace("_", " "),
        has_title=bool(title),
        url=_get_text(fields, "link", "external_url", "canonical_url"),
        author=", ".join(_iter_names(fields.get("author") or fields.get("authors"))),
        language=_get_text(fields, "lang", "language", "locale").replace("_", "-"),
        summary_html=_render_line(_get_text(fields, "excerpt", "description", "summary")),
        content_html=_get_markdown().render(body),
        published_at=_find_date(fields, "date", "published_at", "publishdate") or _parse_name_date(stem),
        updated_at=_find_date(fields, "updated", "lastmod", "last_modified_at", "modified"),
        categories=tuple(dict.fromkeys(_iter_categories(fields))),
        reading_minutes=_parse_minutes(fields.get("reading_time")),
    )


def _split(text: str) -> tuple[dict[str, Any], str]:
    """Front matter, keys in lower case, and body."""
    from frontmatter.default_handlers import BaseHandler, YAMLHandler
    from yaml import YAMLError

    class TomlHandler(BaseHandler):
        """Hugo's; the library's own needs a package that this program does without."""

        FM_BOUNDARY = re.compile(r"^\+{3}[ \t]*\r?$", re.MULTILINE)
        START_DELIMITER = END_DELIMITER = "+++"

        def load(self, fm: str) -> dict[str, Any]:
            return tomllib.loads(fm.replace("\r\n", "\n"))

    handlers: tuple[BaseHandler, ...] = (YAMLHandler(), TomlHandler())
    text = text.lstrip()
    handler = next((handler for handler in handlers if handler.detect(text)), None)
    if handler is None:
        raise NoPost
    try:
        front, body = handler.split(text)
        fields = handler.load(front)
    except YAMLError as error:
        raise PostError(f"its front matter is not proper YAML: {_say_yaml(error)}") from None
    except tomllib.TOMLDecodeError as error:
        raise PostError(f"its front matter is not proper TOML: {error}") from None
    except RecursionError:
        raise PostError("its front matter is nested too deeply") from None
    except (ValueError, OverflowError, TypeError) as error:
        reason = "is never closed" if "unpack" in str(error) else f"holds an impossible value: {error}"
        raise PostError(f"its front matter {reason}") from None
    if not isinstance(fields, Mapping):
        raise PostError("its front matter holds no keys")
    return {str(key).lower(): value for key, value in fields.items()}, body


def _say_yaml(error: Exception) -> str:
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}: {problem}" if mark is not None else str(problem)


def _get_text(fields: Mapping[str, Any], *keys: str) -> str:
    for key in keys:
        text = _to_text(fields.get(key))
        if text:
            return text
    return ""


def _to_text(value: object) -> str:
    """Plain values only: a list or mapping here is a slip, and aliases in one could grow without end."""
    return str(value).strip() if isinstance(value, str | int | float | date) and not isinstance(value, bool) else ""


def _iter_names(value: object) -> Iterator[str]:
    for name in value[:_MAX_WORDS] if isinstance(value, list) else [value]:
        text = _get_text(name, "name", "display_name") if isinstance(name, Mapping) else _to_text(name)
        if text:
            yield text


def _iter_categories(fields: Mapping[str, Any]) -> Iterator[str]:
    for key in ("categories", "category", "tags", "tag", "keywords"):
        value = fields.get(key)
        words = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
        yield from filter(None, (_to_text(word) for word in words[:_MAX_WORDS]))


def _find_date(fields: Mapping[str, Any], *keys: str) -> datetime | None:
    for key in keys:
        found = _parse_date(fields.get(key))
        if found is not None:
            return found
    return None


def _parse_date(value: object) -> datetime | None:
    """UTC; a value without a zone is taken as UTC. None when unreadable."""
    try:
        if isinstance(value, str):
            value = _parse_date_text(value.strip())
        if isinstance(value, datetime):
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        pass
    return None


def _parse_date_text(text: str) -> datetime:
    found = _ISO_DATE.match(text)
    if found:
        return datetime.fromisoformat(f"{found[1]}T{found[2]}{(found[3] or '').upper()}")
    for pattern in ("%Y-%m-%d", "%Y/%m/%d", "%B %d, %Y", "%d %B %Y"):
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
    return parsedate_to_datetime(text)


def _parse_name_date(stem: str) -> datetime | None:
    found = _JEKYLL_NAME.match(stem)
    try:
        return datetime(int(found[1]), int(found[2]), int(found[3]), tzinfo=UTC) if found else None
    except ValueError:
        return None


def _parse_minutes(value: object) -> int | None:
    found = re.match(r"\d{1,4}", _to_text(value))
    return int(found[0]) if found and 0 < int(found[0]) <= _MAX_MINUTES else None


def _find_heading(body: str) -> str:
    found = _HEADING.search(body)
    return found[1].strip().rstrip("#").rstrip() if found else ""


def _render_line(text: str) -> str:
    return str(_get_markdown().renderInline(text)) if text else ""


@cache
def _get_markdown() -> MarkdownIt:
    """CommonMark with tables and strike-through. HTML in posts is kept: it is cleaned with everything else later."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
