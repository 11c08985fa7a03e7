"""Lines of text made harmless: titles, names, mail headers, XML. Never keeps markup, never cuts a character in two.

Publishers write titles as text, as HTML and as HTML escaped once too often, and rarely say which. The rule here: known
HTML elements go, then character references are read once. So ``<b>AI</b> news`` becomes ``AI news``,
``A &lt;T&gt; type`` becomes ``A <T> type``, and ``Vec<T>``, which is no HTML, stays.
"""

from __future__ import annotations

import html
import re
import unicodedata

#: Elements whose tags are taken out of a line; other words in angle brackets are text.
_ELEMENTS = (
    "a|abbr|acronym|address|article|aside|audio|b|bdi|bdo|big|blink|blockquote|body|br|button|canvas|caption|center|cite|code|col|colgroup|"
    "data|dd|del|details|dfn|dir|div|dl|dt|em|embed|fieldset|figcaption|figure|font|footer|form|frame|frameset|h[1-6]|head|header|hr|html|i|"
    "iframe|img|input|ins|kbd|label|legend|li|link|main|map|mark|marquee|math|meta|nav|nobr|noscript|object|ol|optgroup|option|output|p|"
    "param|picture|pre|q|rp|rt|ruby|s|samp|script|section|select|small|source|span|strike|strong|style|sub|summary|sup|svg|table|tbody|td|"
    "template|textarea|tfoot|th|thead|time|title|tr|track|tt|u|ul|var|video|wbr"
)
_TAG = re.compile(rf"""</?(?:{_ELEMENTS})(?:[\s/]++(?:[^<>"']++|"[^"]*+"|'[^']*+')*)?>""", re.IGNORECASE)
_BLOCK_TAG = re.compile(r"</?(?:br|p|div|li|h[1-6]|td|tr|hr)\b", re.IGNORECASE)
_DROPPED = re.compile(r"<!--[^<>]*-->|<(script|style)>[^<]*+</\1>", re.IGNORECASE)
_BIG_REFERENCE = re.compile(r"&#[xX]?[0-9a-fA-F]{8,}+;?")
#: What no author writes: numbers, and names of signs of print. ``&lt;`` and rare names are somebody's text.
_ESCAPED_TWICE = re.compile(
    r"&(?:#(?:[1-9]\d{1,4}|[xX][0-9a-fA-F]{2,5})|amp(?=;(?:#?\w{2,8};|\s|\w))|quot|apos|nbsp|[lr][sd]quo|[nm]dash|hellip|[lr]aquo|bull|middot|trade|reg|copy"
    r"|euro|pound|deg|times|[aeiouAEIOU](?:acute|grave|circ|uml)|[anoANO]tilde|[cC]cedil|szlig|oslash|aring|aelig|oelig);"
)
#: C0, C1, zero-width and bidirectional controls, line and paragraph separators, byte order marks, noncharacters,
#: surrogates. U+200C and U+200D stay: Persian, Indic scripts and joined emoji need them.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
    "|[\U000e0000-\U000e001f]"
)
_XML_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r")
_HEADER_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
_SITE_SUFFIX = re.compile(r"\s[|\-\u2013\u2014\u2022\u00b7:]\s[^|\-\u2013\u2014\u2022\u00b7:]{2,40}$")


def clean_line(text: str, limit: int) -> str:
    """One line of plain text, at most ``limit`` characters, an ellipsis where it is cut; empty when nothing is left."""
    if len(text) > 16_384:
        text = text[:16_384]
    if "<" in text:
        text = drop_tags(text)
    if "&" in text:
        text = _read_again(read_references(text))
    if not text.isprintable():  # nothing printable is invisible
        text = _INVISIBLE.sub(_space_for_break, text)
    text = " ".join(text.split())
    # A cut character at either end is damage, one in the middle is at least a sign that something stood there.
    return cut_text(text.strip("\ufffd \t"), limit)


def drop_tags(text: str) -> str:
    """``text`` without comments, scripts and the tags of HTML's elements; those of blocks leave a space."""
    text = _DROPPED.sub(" ", text)
    return _TAG.sub(lambda tag: " " if _BLOCK_TAG.match(tag[0]) else "", text)


def _space_for_break(found: re.Match[str]) -> str:
    return " " if found[0] in "\t\n\x0b\x0c\r\x85\u2028\u2029" else ""


def read_references(text: str) -> str:
    """Character references (``&amp;``, ``&#8212;``) read once; those beyond Unicode become U+FFFD."""
    return html.unescape(_BIG_REFERENCE.sub("\ufffd", text))


def _read_again(text: str) -> str:
    """References that were escaped once too often, down to two layers; never such as could begin a tag."""
    for _ in range(2):
        if "&" not in text or not _ESCAPED_TWICE.search(text):
            break
        text = _ESCAPED_TWICE.sub(lambda found: html.unescape(found[0]), text)
    return text


def xml_text(text: str) -> str:
    """``text`` without the characters that XML 1.0 forbids (section 2.2), lone surrogates among them."""
    return text if text.isprintable() or _is_certainly_legal(text) else _XML_ILLEGAL.sub("", text)


def _is_certainly_legal(text: str) -> bool:
    """A look at bytes, which costs half as much as one at characters; Korean is never certain."""
    data = text.encode("utf-8", "surrogatepass")
    return b"\xed" not in data and b"\xef\xbf" not in data and len(data.translate(None, _CONTROLS)) == len(data)


def header_text(text: str, limit: int = 200) -> str:
    """One line that is safe as the value of a mail header.

    No controls (C0, C1, bidirectional, separators, surrogates), no spaces in rows, and no ``=?``: an encoded word
    inside a title would be decoded by Python's own mail package (CVE-2024-6923) and bring line breaks with it.
    """
    return cut_text(" ".join(_HEADER_CONTROL.sub(" ", text).split()).replace("=?", "= ?"), limit)


def cut_text(text: str, limit: int) -> str:
    """``text`` in at most ``limit`` characters; where it is cut, an ellipsis, and no half of a joined character."""
    if len(text) <= limit:
        return text
    end = max(limit - 1, 0)
    while end and _joins(text, end):
        end -= 1
    return text[:end].rstrip() + "…" if limit > 0 else ""


def _joins(text: str, index: int) -> bool:
    """Whether the characters on both sides of ``index`` belong to one that a reader sees."""
    before, after = text[index - 1], text[index]
    return (
        unicodedata.combining(after) != 0
        or "\u200d" in (before, after)
        or "\ufe00" <= after <= "\ufe0f"
        or "\U0001f3fb" <= after <= "\U0001f3ff"
    )


def title_key(title: str) -> str:
    """A title in the form in which two near-identical ones are equal; empty when it holds no letter or digit.

    Width, case, punctuation and spacing do not count, nor does a site's name after the last bar or dash.
    """
    folded = unicodedata.normalize("NFKC", title).casefold()
    shorter = _SITE_SUFFIX.sub("", folded)
    if len(shorter.split()) >= 4 or len(shorter) >= 24:  # what is left must still be a title, not "OpenAI - GPT-5"
        folded = shorter
    kept = "".join(
        character if character.isalnum() or unicodedata.combining(character) else " " for character in folded
    )
    return " ".join(kept.split())
