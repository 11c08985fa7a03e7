"""Elements within XHTML content, written out again as feedparser writes them. Never cleans."""

from __future__ import annotations

from xml.sax.saxutils import escape

from aggregator.pipeline.parse.fast.names import HANDLED
from aggregator.pipeline.parse.fast.reader import Attributes, Inside, Kind, Reader, Unmodelled
from aggregator.pipeline.parse.fast.values import map_type

_QUOTE = {'"': "&quot;"}


def _start_markup(reader: Reader, kind: Kind, attributes: Attributes) -> None:
    is_xhtml = map_type(reader.leaf_attributes.get("type", "")) == "application/xhtml+xml"
    if not is_xhtml or kind.name in HANDLED or kind.local in ("svg", "math"):
        raise Unmodelled("markup that is not XHTML's")
    quoted = "".join(f' {name}="{escape(value, _QUOTE)}"' for name, value in attributes.items())
    reader.markup += (escape("".join(reader.pieces)), f"<{kind.local}{quoted}>")


def _end_markup(reader: Reader, kind: Kind) -> None:
    reader.markup += (escape("".join(reader.pieces)), f"</{kind.local}>")


IN_CONTENT = Inside(_start_markup, _end_markup)
