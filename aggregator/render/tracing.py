"""Which line of which template a character of a rendered text came from. Never used but to explain a fault.

Every line of every template gets a mark on its way through Jinja's lexer; the marks are counted and taken out again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

_BEGIN, _END = "\ue000", "\ue001"
_MARK = re.compile(f"{_BEGIN}([^{_END}]*+){_END}")


class LineMarks(Extension):
    """Marks the text of templates with file and line."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """Jinja's own hook: the tokens of one template."""
        for token in stream:
            if token.type == "data":
                lines = token.value.split("\n")
                marked = (
                    f"{_BEGIN}{stream.name}:{token.lineno + number}{_END}{line}" if line.strip() else line
                    for number, line in enumerate(lines)
                )
                yield Token(token.lineno, token.type, "\n".join(marked))
            else:
                yield token


def find_place(marked: str, plain: str, offset: int) -> str:
    """``FILE:LINE`` of the character at ``offset`` of ``plain``, which ``marked`` is but for its marks; else empty."""
    if _MARK.sub("", marked) != plain:
        return ""
    place, removed = "", 0
    for mark in _MARK.finditer(marked):
        if mark.start() - removed > offset:
            break
        place = mark[1]
        removed += len(mark[0])
    return place
