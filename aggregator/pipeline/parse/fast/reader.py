"""The events of an XML document -> what feedparser's strict parser would make of it, for the documents that are usual.

What is not modelled raises `Unmodelled`, and the whole document goes to feedparser: base64, entries within entries,
markup in places that are meant for text, elements whose names collide with what we read. The XML parser is the same
that feedparser uses (expat), so both take the same documents for well-formed and see the same texts.

The rules that are not obvious: a title counts only outside of titles that lie higher (``title_depth``); a value is
replaced only by one that does not lie deeper (`Reader.store`); a second summary is the content unless there was
content; a ``guid`` is a link when it says nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import escape

from aggregator.pipeline.parse.fast.names import COLLIDING, HANDLED, VERSIONS_BY_NAMESPACE
from aggregator.pipeline.parse.fast.namespaces import (
    XLINK,
    Attributes,
    Namespaces,
    Unmodelled,
    is_universal,
    read_attributes,
)
from aggregator.pipeline.parse.fast.values import join_base, looks_like_html, map_type, repair_text

MAX_DEPTH = 256
MAX_ENTRIES = 5_000

_XHTML = "application/xhtml+xml"
#: Attributes without a namespace that are no base and no language, as they are written -> in lower case.
_USUAL = {
    name: name.lower()
    for name in (
        "href url uri title length term scheme domain label text src medium width height duration filesize version rel "
        "type isPermaLink ispermalink"
    ).split()
}
_LOWER = frozenset(_USUAL.values())
#: Term, scheme and label.
Tag = tuple[str | None, str | None, str | None]
NO_ATTRIBUTES: Attributes = {}


class Inside(NamedTuple):
    """How the children of an element with text are read."""

    start: Callable[[Reader, Kind, Attributes], None]
    end: Callable[[Reader, Kind], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """What is done with an element. With ``finish`` its text is collected, and only ``inside`` allows for children."""

    begin: Callable[[Reader, Attributes], None] | None = None
    finish: Callable[[Reader, Attributes, str], None] | None = None
    inside: Inside | None = None
    name: str = ""
    #: The name without the prefix, as it is written in XHTML.
    local: str = ""
    #: The namespace that is written out with it.
    xmlns: str = ""


__all__ = ["NO_ATTRIBUTES", "Attributes", "Inside", "Kind", "Reader", "Unmodelled", "finish_nothing", "finish_unknown"]


def finish_nothing(reader: Reader, _attributes: Attributes, _text: str) -> None:
    """For elements whose text is not read, though their children may be."""


def finish_unknown(key: str) -> Callable[[Reader, Attributes, str], None]:
    """What feedparser has no rule for: its text, or its attributes."""

    def finish(reader: Reader, attributes: Attributes, text: str) -> None:
        if attributes:
            reader.context[key] = attributes
        else:
            reader.store(key, reader.repair(text))

    return finish


class Reader:
    """Collects one document. ``feed`` and ``entries`` hold the keys of feedparser's result that are read."""

    # fmt: off
    __slots__ = (
        "_data", "_declared_before_entries", "_has_url", "_kinds", "_leaf", "_leaf_attributes", "_namespaces",
        "_parser", "_scope_depth", "_scopes", "base", "context", "context_of_entries", "depth", "depths", "elements",
        "endings", "entries", "feed", "has_content", "inner", "is_open", "lang", "leaf_depth", "markup", "may_hold_c1",
        "pieces", "spans", "title_depth", "unnamed", "version",
    )
    # fmt: on

    def __init__(self, kinds: dict[str, Kind], *, url: str, may_hold_c1: bool) -> None:
        self.feed: dict[str, Any] = {}
        self.entries: list[dict[str, Any]] = []
        #: Where each begins and ends, in bytes.
        self.spans: list[tuple[int, int]] = []
        #: What the first entry inherits; None when it inherits more than can be told.
        self.context_of_entries: object = None
        self._declared_before_entries = 0
        self.version = ""
        #: Where values go now, and the depth each came from; feed-level values have no such memory.
        self.context = self.feed
        self.depths: dict[str, int] | None = None
        self.is_open = False
        self.depth = 0
        self.elements = 0
        self.title_depth = -1
        self.has_content = False
        self.may_hold_c1 = may_hold_c1
        self.base = url
        self.lang: str | None = None
        _check_base(url)
        self._has_url = bool(url)
        self._scopes: list[tuple[int, str, str | None]] = []
        self._scope_depth = -1
        #: What is done when the element of this depth ends.
        self.endings: dict[int, Callable[[Reader], None]] = {}
        #: The element whose text is collected, and its text since the last tag.
        self._leaf: Kind | None = None
        self._leaf_attributes = NO_ATTRIBUTES
        self.leaf_depth = 0
        self.pieces: list[str] = []
        #: The text and markup of the leaf before its last tag.
        self.markup: list[str] = []
        self.inner: list[Kind] = []
        #: The innermost of them has attributes.
        self.unnamed = False
        self._namespaces = Namespaces()
        self._kinds = _KindsByTag(self._namespaces, kinds)

    def read(self, data: bytes) -> None:
        """Raises `Unmodelled`, or `expat.ExpatError` for what is not well-formed."""
        self._data, self._parser = data, expat.ParserCreate("utf-8", " ")
        parser = self._parser
        parser.namespace_prefixes = True
        parser.buffer_text = True
        parser.buffer_size = 64 * 1024
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self.pieces.append
        parser.StartNamespaceDeclHandler = self._declare
        try:
            parser.Parse(data, True)
        finally:  # a parser that knew us while we know it would have to wait for the garbage collector
            parser.StartElementHandler = parser.EndElementHandler = None
            parser.CharacterDataHandler = parser.StartNamespaceDeclHandler = None
        if self._declared_before_entries != len(self._namespaces.declared):
            self.context_of_entries = None

    def store(self, key: str, value: object) -> None:
        """Keep a value unless the entry has one from higher up."""
        depths = self.depths
        if depths is not None:
            known = depths.get(key)
            if known is not None and self.depth > known:
                return
            depths[key] = self.depth
        self.context[key] = value

    def tags(self) -> tuple[list[Tag], set[Tag]]:
        """Those of the entry so far, in their order, and as a set: a hostile entry has a hundred thousand."""
        return self.context.setdefault("tags", []), self.context.setdefault("known_tags", set())

    def repair(self, text: str) -> str:
        return text if text.isascii() else repair_text(text, self.may_hold_c1)

    def read_content(self, attributes: Attributes, default_type: str, text: str) -> dict[str, Any]:
        """What an element with text, HTML or XHTML says, and how."""
        kind = default_type
        if attributes:
            kind = map_type(attributes.get("type", default_type))
            if attributes.get("mode") == "base64":
                raise Unmodelled("base64")
            if not kind.startswith("text/") and not kind.endswith(("+xml", "/xml")):
                raise Unmodelled("content that is taken for base64")
        if self.markup or kind == _XHTML:
            kind = _XHTML
            text = self._finish_markup(text)
        elif (
            kind == "text/plain"
            and ("<" in text or "&" in text)
            and not self.version.startswith("atom")
            and looks_like_html(text)
        ):
            kind = "text/html"
        if not text.isascii():
            text = repair_text(text, self.may_hold_c1)
        return {"type": kind, "language": self.lang, "base": self.base, "value": text}

    def save_title(self, attributes: Attributes, text: str) -> None:
        """A title counts only outside of titles that lie higher."""
        detail = self.read_content(attributes, "text/plain", text)
        if not -1 < self.title_depth <= self.depth:
            self.store("title", detail["value"])
            self.context["title_detail"] = detail
        if detail["value"]:
            self.title_depth = self.depth

    def begin_entry(self) -> None:
        """What follows belongs to a new entry."""
        if self.depths is not None:
            raise Unmodelled("an entry in an entry")
        if len(self.entries) >= MAX_ENTRIES:
            raise Unmodelled("too many entries")
        was_open, start = self.is_open, self._parser.CurrentByteIndex
        if not self.entries and not self.has_content:
            declared = tuple(self._namespaces.declared)
            self._declared_before_entries = len(declared)
            # What entries inherit, not what the first one says of itself.
            own = self._scope_depth == self.depth
            base, lang = self._scopes[-1][1:] if own else (self.base, self.lang)
            self.context_of_entries = (self.version, base, lang, self.depth, declared)
        self.context, self.depths, self.title_depth, self.is_open = {}, {}, -1, True
        self.entries.append(self.context)

        def end_entry(self: Reader) -> None:
            self.context, self.depths, self.has_content, self.is_open = self.feed, None, False, was_open
            self.spans.append((start, self._data.find(b">", self._parser.CurrentByteIndex) + 1))

        self.endings[self.depth] = end_entry

    def _start(self, tag: str, attributes: Attributes) -> None:
        self.depth = depth = self.depth + 1
        self.elements += 1
        kind = self._kinds[tag]
        if attributes:
            attributes = self._read_attributes(tag, attributes)
        if self._leaf is not None:
            self._start_inside(kind, attributes)
        elif kind.finish is not None:
            if not self.is_open and kind.name not in ("image", "textinput"):  # RSS 1.0 has those beside the channel
                raise Unmodelled("a value outside of feed and entries")
            self._leaf, self._leaf_attributes, self.leaf_depth = kind, attributes, depth
            self.pieces.clear()
            if kind.begin is not None:
                kind.begin(self, attributes)
        elif kind.begin is not None:
            kind.begin(self, attributes)
        elif depth == 1 or depth > MAX_DEPTH:
            raise Unmodelled("no feed, or a deep one")

    def _end(self, _tag: str) -> None:
        leaf, depth = self._leaf, self.depth
        if leaf is None:
            if depth in self.endings:
                self.endings.pop(depth)(self)
        elif depth == self.leaf_depth:
            self._leaf = None
            finish = leaf.finish
            if finish is not finish_nothing:
                finish(self, self._leaf_attributes, "".join(self.pieces).strip())  # type: ignore[misc]
            if self.markup:
                self.markup.clear()
        else:
            assert leaf.inside is not None
            leaf.inside.end(self, self.inner.pop())
            self.pieces.clear()
        if depth == self._scope_depth:
            self._leave_scope()
        self.depth = depth - 1

    def _start_inside(self, kind: Kind, attributes: Attributes) -> None:
        leaf = self._leaf
        if leaf is None or leaf.inside is None or self.depth > MAX_DEPTH:
            raise Unmodelled("markup in a text")
        leaf.inside.start(self, kind, attributes)
        self.inner.append(kind)
        self.pieces.clear()

    @property
    def leaf_attributes(self) -> Attributes:
        """The attributes of the element whose text is collected."""
        return self._leaf_attributes

    def _finish_markup(self, text: str) -> str:
        """XHTML as one text; Atom's own ``div`` around everything falls away."""
        pieces = [*self.markup, escape("".join(self.pieces))]
        if self.version == "atom10":
            pieces = _strip_div(pieces)
        return "".join(pieces).strip()

    def _read_attributes(self, tag: str, raw: Attributes) -> Attributes:
        is_usual = _LOWER.issuperset(raw)
        if not is_usual and _USUAL.keys() >= raw.keys():
            raw = {_USUAL[name]: value for name, value in raw.items()}
            is_usual = True
        if is_usual:
            if "type" in raw:
                raw["type"] = raw["type"].lower()
            if "rel" in raw:
                raw["rel"] = raw["rel"].lower()
            return raw
        read = read_attributes(raw)
        base, lang = read.get("xml:base", read.get("base")), read.get("xml:lang", read.get("lang"))
        if base is not None or lang is not None:
            self._enter_scope(tag, base, lang)
        return read

    def _enter_scope(self, tag: str, base: str | None, lang: str | None) -> None:
        self._scopes.append((self._scope_depth, self.base, self.lang))
        self._scope_depth = self.depth
        if base:
            if not self._has_url:
                raise Unmodelled("a base address without one for the document")
            self.base = join_base(self.base, base)
            _check_base(self.base)
        if lang is not None:
            self.lang = lang or None
            if lang and self._kinds[tag].name in ("feed", "rss"):
                self.feed["language"] = lang

    def _leave_scope(self) -> None:
        self._scope_depth, self.base, self.lang = self._scopes.pop()

    def _declare(self, prefix: str | None, uri: str | None) -> None:
        """A namespace declaration; as in feedparser it holds from here to the end of the document."""
        if not uri:
            return
        if not self.version:
            self.version = VERSIONS_BY_NAMESPACE.get((prefix if "netscape" in uri else None, uri.lower()), "")
        if self._namespaces.declare(prefix, uri, at_root=self.depth == 0):
            self._kinds.clear()
        if uri == XLINK and prefix and self.depth:
            self._parser.StartElementHandler = self._start_declaring

    def _start_declaring(self, tag: str, attributes: Attributes) -> None:
        """The element that declares XLink: for feedparser that is an attribute, the first."""
        self._parser.StartElementHandler = self._start
        self._start(tag, {"xmlns:xlink": XLINK, **attributes})


#: Kinds of elements whose name is the same in every document; bounded, because a document can invent any number.
_UNIVERSAL: dict[str, Kind] = {}
_MAX_UNIVERSAL = 2_000


_CONTAINER = Kind()
#: Elements in XHTML whose namespace is an attribute of theirs.
_WRITTEN_NAMESPACES = {"svg": "http://www.w3.org/2000/svg", "math": "http://www.w3.org/1998/Math/MathML"}


class _KindsByTag(dict[str, Kind]):
    """The kinds of a document's elements by expat's names for them; most documents have less than thirty."""

    def __init__(self, namespaces: Namespaces, kinds: dict[str, Kind]) -> None:
        self._namespaces, self._by_name = namespaces, kinds

    def __missing__(self, tag: str) -> Kind:
        is_usual = self._namespaces.is_usual
        kind = _UNIVERSAL.get(tag) if is_usual else None
        if kind is None:
            kind = self._find_kind(tag)
            if is_usual and is_universal(tag) and len(_UNIVERSAL) < _MAX_UNIVERSAL:
                _UNIVERSAL[tag] = kind
        self[tag] = kind
        return kind

    def _find_kind(self, tag: str) -> Kind:
        name = self._namespaces.name_tag(tag)
        if name in COLLIDING or (name in HANDLED and name not in self._by_name):
            raise Unmodelled(f"an element that is called {name}")
        uri, _, rest = tag.rpartition(" ") if " " not in tag else tag.partition(" ")
        local = rest.partition(" ")[0].lower()
        xmlns = uri if _WRITTEN_NAMESPACES.get(local) == uri else ""
        return replace(self._by_name.get(name, _CONTAINER), name=name, local=local, xmlns=xmlns)


def _check_base(base: str) -> None:
    """feedparser joins the base address with itself at every element."""
    if base and join_base(base, base) != base:
        raise Unmodelled("a base address that changes at each look")


def _strip_div(pieces: list[str]) -> list[str]:
    while len(pieces) > 1 and not pieces[-1].strip():
        del pieces[-1]
    while len(pieces) > 1 and not pieces[0].strip():
        del pieces[0]
    if not (pieces[0] == "<div>" or pieces[0].startswith("<div ")) or pieces[-1] != "</div>":
        return pieces
    depth = 0
    for piece in pieces[:-1]:
        if piece.startswith("</"):
            depth -= 1
            if depth == 0:
                return pieces
        elif piece.startswith("<") and not piece.endswith("/>"):
            depth += 1
    return pieces[1:-1]
