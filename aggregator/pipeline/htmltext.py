"""HTML as a row of tags and texts, and the plain text and reading time made from it. Never builds a tree, never cleans.

A tree would need recursion or a parser with a depth limit that drops what lies deeper (libxml2: 256); a row of tokens
is read in one pass, however deep the nesting. The rules of tokens follow the HTML standard (13.2.5), so that what a
browser takes for text inside a comment, an attribute or a script is not taken for a tag here.
"""

from __future__ import annotations

import html as _html
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple


class Token(NamedTuple):
    """A tag with the text before it. ``name`` is lower case, empty for the text after the last tag."""

    text: str
    name: str
    closing: bool
    #: The tag as written, attributes included.
    source: str
    #: The text before it lies inside an element whose content is no HTML (script, style, title...).
    raw: bool


#: Elements whose content holds no tags: it ends at their own end tag.
RAW_ELEMENTS = frozenset(
    {"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "noscript", "template"}
)
#: Elements that begin and end a paragraph of plain text.
# fmt: off
BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "br", "caption", "center", "dd", "details", "dialog",
    "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5",
    "h6", "header", "hr", "html", "legend", "li", "main", "menu", "nav", "ol", "p", "pre", "section", "summary",
    "table", "tbody", "tfoot", "thead", "tr", "ul",
})
# fmt: on
#: Blocks with an empty line before and after them.
_PARAGRAPHS = BLOCKS - {"br", "dd", "dt", "li", "tr", "tbody", "tfoot", "thead"}
_CELLS = frozenset({"td", "th"})
#: What a start tag, and an end tag by its name with a slash, put into the text.
_BREAKS = {
    **dict.fromkeys(BLOCKS, "\n"),
    **{slash + name: "\n\n" for name in _PARAGRAPHS for slash in ("", "/")},
    **{slash + name: " " for name in _CELLS for slash in ("", "/")},
}

# Nothing after a repetition can fail, so no input makes the search go back. An unclosed comment goes to the end,
# as in browsers; "<!-->" and "<!--->" are whole comments. Possessive quantifiers stand on single characters only: on
# groups, Python 3.11.2 forgets to go back to where the group began.
_TOKEN = re.compile(
    r"""<!---?>|<!--[^-]*+(?:-(?!-!?>)[^-]*+)*(?:--!?>)?|<[!?][^>]*+>?|</(?![a-zA-Z])[^>]*+>?
    |<(?P<closing>/?)(?P<name>[a-zA-Z][^\s/>]*+)
     (?:[\s/]++|[^\s/>=]++(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>"'][^\s>]*+)?)?|=)*>?""",
    re.VERBOSE,
)
#: A tag with nothing odd about it, no angle bracket in its attributes among others. A slash if it ends, and the name.
_PLAIN = (
    r"""<(/?[a-zA-Z][a-zA-Z0-9]*+)(?:\s++[a-zA-Z_:][\w:.-]*+"""
    r"""(?:\s*+=\s*+(?:"[^<>"]*+"|'[^<>']*+'|[^\s<>"'=`/]++))?){0,64}\s*+/?>"""
)
_PLAIN_TAG = re.compile(_PLAIN, re.ASCII)
#: The same, or a whole comment without angle brackets: with them, a row of unclosed ones would take quadratic time.
_PLAIN_MARKUP = re.compile(r"<!--(?!-?>)[^<>-]*+(?:-(?!-!?>)[^<>-]*+)*-->|" + _PLAIN, re.ASCII)
_BIG_REFERENCE = re.compile(r"&#[xX]?[0-9a-fA-F]{8,}+;?")
#: The references that cleaned HTML has, in the order in which they can be read one after the other.
_COMMON_REFERENCES = {"&nbsp;": " ", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&amp;": "&"}
_COMMON_REFERENCE = re.compile("&(?:nbsp|lt|gt|quot|amp);")
_SPACES = re.compile(r"[ \t\n\r\f\v\xa0]+")


def iter_tokens(html: str) -> Iterator[Token]:
    """The tags of ``html`` in order, each with the text before it; comments and declarations fall away. Linear."""
    start = position = 0
    texts: list[str] = []
    while found := _TOKEN.search(html, position):
        texts.append(html[start : found.start()])
        start = position = found.end()
        name = found["name"]
        if name is None:
            continue
        name = name.lower()
        yield Token("".join(texts), name, bool(found["closing"]), found[0], False)
        texts.clear()
        if name in RAW_ELEMENTS and not found["closing"]:
            ending = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(html, start)
            end = ending.start() if ending else len(html)
            yield Token(html[start:end], name, True, "", True)
            start = position = end
    texts.append(html[start:])
    yield Token("".join(texts), "", False, "", False)


def html_to_text(html: str) -> str:
    """Plain text: blocks become lines, an empty line parts paragraphs, spaces collapse, references are read."""
    joined = _join_plain(html)
    if joined is None:
        joined = _join_any(html)
    # In a printable line no other white space stands than spaces, and most are as they shall be.
    lines = [
        line.strip(" ") if "  " not in line and line.isprintable() else " ".join(line.split())
        for line in joined.split("\n")
    ]
    text = "\n".join(lines).strip()
    while "\n\n\n" in text:  # each turn leaves two thirds of the longest row
        text = text.replace("\n\n\n", "\n\n")
    return text


def find_plain_tags(html: str) -> list[str] | None:
    """The names of all tags, end tags with a slash, in lower case; None unless all are plain.

    Raw content must be free of ``<``. Many times faster than `iter_tokens`, and the same tags: each ``<`` is accounted
    for.
    """
    names: list[str] = _PLAIN_MARKUP.findall(html)  # comments have none
    if len(names) != html.count("<"):
        return None
    distinct = set(names)
    if not all(map(str.islower, distinct - {""})):
        names = list(map(str.lower, names))
        distinct = set(names)
    if not RAW_ELEMENTS.isdisjoint(distinct) and _holds_raw_markup(names):
        return None
    return list(filter(None, names)) if "" in distinct else names


def _holds_raw_markup(names: list[str]) -> bool:
    """Whether anything but its own end follows the beginning of a raw element."""
    return any(name in RAW_ELEMENTS and after != f"/{name}" for name, after in pairwise([*names, ""]))


def _join_plain(html: str) -> str | None:
    """Texts and breaks of HTML in which all tags are plain, as cleaned HTML is; None for other HTML."""
    for space in ("\n", "\r", "\f", "\v"):
        if space in html:
            html = html.replace(space, " ")
    parts = _PLAIN_TAG.split(html)
    names = parts[1::2]
    distinct = set(names)
    if len(names) != html.count("<") or not RAW_ELEMENTS.isdisjoint(distinct) or not all(map(str.islower, distinct)):
        return None
    references = _COMMON_REFERENCE.findall(html)
    # When each "&" begins a whole one, none arises where a tag between two texts goes.
    common = len(references) == html.count("&")
    if not common:
        parts[::2] = [_SPACES.sub(" ", _read_references(text)) if "&" in text else text for text in parts[::2]]
    parts[1::2] = [_BREAKS.get(name, "") for name in names]
    joined = "".join(parts)
    if common and references:
        distinct = set(references)
        for reference, character in _COMMON_REFERENCES.items():
            if reference in distinct:
                joined = joined.replace(reference, character)
    return joined


def _join_any(html: str) -> str:
    pieces: list[str] = []
    for token in iter_tokens(html):
        if token.raw:
            continue
        if token.text:
            pieces.append(_SPACES.sub(" ", _read_references(token.text)))
        if token.name in _PARAGRAPHS:
            pieces.append("\n\n")
        elif token.name in BLOCKS and not token.closing:
            pieces.append("\n")
        elif token.name in _CELLS:
            pieces.append(" ")
    return "".join(pieces)


def _read_references(text: str) -> str:
    if "&" not in text:
        return text
    return _html.unescape(_BIG_REFERENCE.sub("\ufffd", text))


#: Marks that a program put where it joined the pieces of a text: a line of its own, a word between rows of signs.
_CHUNK_MARK = re.compile(
    r"^[ ]?[-=*_~#<>\[\]|]{2,40}[ ]?(?:THE )?(?:END|BEGIN|START|EOF|STOP|PART|CHUNK|SECTION|CONTINUE|CONTINUED|CUT)"
    r"[ \d/:.]{0,12}[-=*_~#<>\[\]|]{2,40}[ ]?$",
    re.MULTILINE,
)
_CHUNK_SIGNS = ("--", "==", "**", "##", "~~", "__", "<<", "[[")
#: Ends of sentences, each with what it becomes: a mark where the next one begins.
_SENTENCE_ENDS = {end: f"{end.rstrip()}\0" for end in ("。", "！", "？", ". ", "! ", "? ")}
_FULL_STOPS = frozenset(".!?。！？…」』”\"')）")
#: So many letters alike at the beginning: one sentence, begun twice.
_OPENING = 30
#: Shorter ones are said twice on purpose.
_LEAST_REPEATED = 6


def drop_repeats(text: str) -> str:
    """``text`` (of `html_to_text`) with every sentence once, and without the marks of pieces that were joined.

    Programs that write in pieces repeat what they have written; a text without repeats is given back as it is.
    """
    if _may_be_chunked(text):
        text = _CHUNK_MARK.sub("", text)
    long = [piece for piece in _mark(text).replace("\n", "\0").split("\0") if len(piece) >= _LEAST_REPEATED]
    return text if len(set(long)) == len(long) else _keep_first(text)


def _may_be_chunked(text: str) -> bool:
    """Whether two signs of a mark stand beside each other, as they do in few texts."""
    return any(map(text.__contains__, _CHUNK_SIGNS))


def _mark(text: str) -> str:
    for end, marked in _SENTENCE_ENDS.items():
        if end in text:
            text = text.replace(end, marked)
    return text.replace("\0 ", "\0")


def _keep_first(text: str) -> str:
    """The first of those that are alike; of one that broke off and was begun anew, the whole one."""
    lines = [_mark(line).split("\0") for line in text.split("\n")]
    longest: dict[str, int] = {}
    for pieces in lines:
        for piece in pieces:
            opening = piece[:_OPENING]
            longest[opening] = max(longest.get(opening, 0), len(piece))
    seen: set[str] = set()
    kept_lines: list[str] = []
    for pieces in lines:
        kept: list[str] = []
        for piece in pieces:
            if len(piece) >= _LEAST_REPEATED:
                broken = len(piece) >= _OPENING and piece[-1] not in _FULL_STOPS
                if piece in seen or (broken and longest[piece[:_OPENING]] > len(piece)):
                    continue
                seen.add(piece)
            kept.append(f"{piece} " if piece[-1:] in (".", "!", "?") else piece)
        kept_lines.append("".join(kept).strip())
    text = "\n".join(kept_lines).strip()
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text


#: Silent reading: words a minute (Brysbaert 2019), and characters a minute where words are not spaced, by the rule of
#: thumb of each language's own press. Korean is spaced, but its words carry what others say in two.
WORDS_A_MINUTE = 230
CHARACTERS_A_MINUTE = {"ja": 600, "ko": 550}
OTHER_CHARACTERS_A_MINUTE = 500
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3001-\u301f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff01-\uff0f"
    "\uff1a-\uff20\U00020000-\U0003134f]"
)


def count_reading_minutes(text: str, language: str = "") -> int:
    """Whole minutes that ``text`` takes to read, at least 1; 0 when there is no text.

    Every character counts by its own script, so a Japanese text with English names needs no guess; ``language`` tells
    how many of those without spaces a minute has.
    """
    unspaced = 0 if text.isascii() else len(_UNSPACED.findall(text))
    words = len((_UNSPACED.sub(" ", text) if unspaced else text).split())
    pace = CHARACTERS_A_MINUTE.get(language[:2].lower(), OTHER_CHARACTERS_A_MINUTE)
    minutes = words / WORDS_A_MINUTE + unspaced / pace
    return max(1, round(minutes)) if words or unspaced else 0
