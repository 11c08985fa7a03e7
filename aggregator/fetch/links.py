"""What an answer's Link headers say of its feed's hub (RFC 8288, WebSub 4). Never follows them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from yarl import URL

#: One link: its target, then its parameters up to the next comma outside of quotes.
_LINK = re.compile(
    r"""<([^<>"\s]{1,2000})>"""
    r"""((?:\s{0,9};\s{0,9}[\w!#$&+.^`|~*-]{1,40}(?:=(?:"[^"]{0,500}"|[^\s",;]{0,500}))?){0,10})"""
)
_REL = re.compile(r""";\s{0,9}rel=(?:"([^"]{0,200})"|([^\s",;]{1,200}))""", re.IGNORECASE)
#: More of them, or longer ones, are not looked at.
_MAX_LENGTH = 8_000


def find_hub_links(values: Iterable[str], url: URL) -> tuple[str, str]:
    """The first ``rel="hub"`` and ``rel="self"`` of an answer from ``url``, absolute; empty when there is none."""
    found: dict[str, str] = {}
    for link in _LINK.finditer(",".join(values)[:_MAX_LENGTH]):
        rel = _REL.search(link[2])
        for word in ((rel[1] or rel[2] or "") if rel else "").lower().split():
            if word in ("hub", "self"):
                found.setdefault(word, _resolve(url, link[1]))
    return found.get("hub", ""), found.get("self", "")


def _resolve(base: URL, target: str) -> str:
    try:
        resolved = base.join(URL(target))
    except ValueError:
        return ""
    return str(resolved) if resolved.scheme in ("http", "https") and resolved.host else ""
