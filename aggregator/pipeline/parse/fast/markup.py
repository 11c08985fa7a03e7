"""Elements within content, written out again as feedparser writes them. Never cleans.

Content that says it is text or HTML, and holds elements all the same, counts as XHTML from its first element on.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from aggregator.pipeline.parse.fast.names import HANDLED
from aggregator.pipeline.parse.fast.reader import Attributes, Inside, Kind, Reader, Unmodelled
from aggregator.pipeline.parse.fast.values import map_type

_XHTML = "application/xhtml+xml"
_QUOTE = {'"': "&quot;"}


def _start_markup(reader: Reader, kind: Kind, attributes: Attributes) -> None:
    if kind.name in HANDLED or (kind.local in ("svg", "math") and kind.name != kind.local):
        raise Unmodelled("markup that is not XHTML's")
    text = "".join(reader.pieces)
    if reader.markup or map_type(reader.leaf_attributes.get("type", "")) == _XHTML:
        text = escape(text)
    else:
        _turn_to_xhtml(reader, kind)
    if kind.xmlns:
        attributes = _write_namespace(attributes, kind.xmlns)
    quoted = "".join([f' {name}="{escape(value, _QUOTE)}"' for name, value in attributes.items()]) if attributes else ""
    reader.markup += (text, f"<{kind.local}{quoted}>")


def _write_namespace(attributes: Attributes, namespace: str) -> Attributes:
    """It stands after the declaration of XLink and before all others."""
    declared = {name: value for name, value in attributes.items() if name == "xmlns:xlink"}
    return {**declared, "xmlns": namespace, **attributes}


def _turn_to_xhtml(reader: Reader, kind: Kind) -> None:
    """feedparser loses count of its depth at a ``div`` in what is no XHTML."""
    if kind.local == "div" or map_type(reader.leaf_attributes.get("type", "")).endswith("xml"):
        raise Unmodelled("markup that is not XHTML's")


def _end_markup(reader: Reader, kind: Kind) -> None:
    reader.markup += (escape("".join(reader.pieces)), f"</{kind.local}>")


IN_CONTENT = Inside(_start_markup, _end_markup)
