"""MJML made into HTML. Never hands the engine what is known to kill it, never lets through what it did not understand.

The engine names byte offsets at best, dies of deep nesting, panics over some includes and prints what it did not read.
So tags are counted here first, and a fault carries its offset, from which `templates` finds the template's line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from aggregator.errors import RenderError

#: The engine dies at about 9,000 elements inside one another; in threads and on small stacks sooner.
MAX_DEPTH = 200
MAX_SOURCE_BYTES = 4_000_000
#: A comment, a closing or an opening tag, or a ``<`` that begins neither. Possessive: hostile text costs no time.
_TAG = re.compile(r"""<!--.*?-->|<!\w|<(/?)([A-Za-z][\w:.-]*+)((?:"[^"]*+"|'[^']*+'|[^'">])*+)>|<""", re.DOTALL)
#: Elements whose content is no markup.
_OPAQUE = ("mj-style", "style")
_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
_POSITION = re.compile(r" in root template(?: at position (\d+):\d+)?\Z")
_LEFT_OVER = re.compile(r"<mj-[\w-]*")


class MjmlFault(RenderError):
    """What is wrong with an MJML document and at which character of it; -1: nobody knows."""

    def __init__(self, reason: str, offset: int = -1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset


def make_html(mjml: str) -> str:
    """HTML of an MJML document, without comments but those that Outlook reads; raises `MjmlFault`."""
    size = len(mjml.encode("utf-8", "replace"))
    if size > MAX_SOURCE_BYTES:
        raise MjmlFault(f"{size:,} bytes of MJML, more than {MAX_SOURCE_BYTES:,}")
    _check_tags(mjml)
    html = _convert(mjml)
    left = _LEFT_OVER.search(html)
    if left is not None:
        raise MjmlFault(f"{left[0]}> is no element of MJML that may stand there", mjml.find(left[0]))
    return html


def _convert(mjml: str) -> str:
    from mjml import mjml2html

    try:
        html: str = mjml2html(mjml, disable_comments=True, fonts={})
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of the engine is no Exception
        text = str(error)
        found = _POSITION.search(text)
        offset = len(mjml.encode()[: int(found[1])].decode(errors="ignore")) if found and found[1] else -1
        raise MjmlFault(f"not MJML: {text[: found.start()] if found else text}", offset) from error
    return html


def _check_tags(mjml: str) -> None:
    """Every tag closed, in order, not too deep; no include."""
    opened: list[tuple[str, int]] = []
    for offset, name, kind in _iter_tags(mjml):
        if kind == "open":
            opened.append((name, offset))
            if len(opened) > MAX_DEPTH:
                raise MjmlFault(f"more than {MAX_DEPTH} elements inside one another", offset)
        elif not opened or opened[-1][0] != name:
            if name in (other for other, _ in opened):
                raise MjmlFault(f"<{opened[-1][0]}> is not closed before </{name}>", opened[-1][1])
            wanted = f"where </{opened[-1][0]}> was expected" if opened else "closes nothing"
            raise MjmlFault(f"</{name}> {wanted}", offset)
        else:
            opened.pop()
    if opened:
        raise MjmlFault(f"<{opened[-1][0]}> is never closed", opened[-1][1])


def _iter_tags(mjml: str) -> Iterator[tuple[int, str, str]]:
    """Offset, name, ``open`` or ``close`` of each tag that wants a partner."""
    at = 0
    while found := _TAG.search(mjml, at):
        at = found.end()
        if found[0] == "<":
            raise MjmlFault("a < that begins no tag: write &lt;", found.start())
        if not found[2]:
            continue
        name = found[2].lower()
        if name == "mj-include":
            raise MjmlFault("mj-include is not offered: use {% include %}", found.start())
        if found[1]:
            yield found.start(), name, "close"
        elif not found[3].endswith("/") and name not in _VOID:
            yield found.start(), name, "open"
            if name in _OPAQUE:
                end = mjml.find(f"</{name}", at)
                at = end if end >= 0 else len(mjml)
