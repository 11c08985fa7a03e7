"""What a publisher wrote -> what may be shown: the one place where HTML becomes safe. Never fetches.

The policy is a short list of what stays; all else goes. It is versioned: the raw text and the policy's number are kept
beside the cleaned text. ammonia (through nh3) does the work, inside limits, because its time grows with the square of
the nesting; what is over a limit is shown as text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import TYPE_CHECKING

from aggregator.model.parsed import ParsedEntry
from aggregator.pipeline.htmltext import RAW_ELEMENTS, Token, find_plain_tags, html_to_text, iter_tokens
from aggregator.pipeline.titles import complete_title, drop_site_name
from aggregator.pipeline.urls import MAX_URL_LENGTH, canonicalize_url, resolve_url
from aggregator.pipeline.words import clean_line, cut_text, xml_text

if TYPE_CHECKING:
    import nh3

#: Raise it with every change of what comes out: each stored entry bears the one that it was cleaned by.
POLICY_VERSION = 2

MAX_HTML_LENGTH = 512 * 1024
MAX_DEPTH = 256
MAX_ATTRIBUTES = 256
MAX_AMPERSANDS = 50_000
#: Open inline elements, summed over all tags: browsers and ammonia open them anew in every paragraph.
MAX_FORMATTING = 100_000
MAX_TITLE = 300
MAX_AUTHOR = 200

# fmt: off
TAGS = frozenset({
    "a", "abbr", "b", "bdi", "blockquote", "br", "caption", "cite", "code", "dd", "del", "details", "dfn", "div",
    "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd",
    "li", "mark", "ol", "p", "pre", "q", "rp", "rt", "ruby", "s", "samp", "small", "span", "strong", "sub",
    "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul", "var", "wbr",
})
#: Elements that go with everything inside them.
DROPPED_WITH_CONTENT = frozenset({
    "applet", "audio", "button", "canvas", "datalist", "embed", "frameset", "iframe", "math", "noembed",
    "noframes", "noscript", "object", "optgroup", "option", "plaintext", "script", "select", "style", "svg",
    "template", "textarea", "title", "video", "xmp",
})
ATTRIBUTES = {
    "a": {"href", "title"}, "abbr": {"title"}, "img": {"src", "alt", "title", "width", "height"}, "ol": {"start"},
    "td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"},
}
_VOID = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
})
#: Elements that end their like when a new one begins, so that a row of unclosed ones is not nested.
_SELF_ENDING = frozenset({"p", "li", "dt", "dd", "tr", "td", "th", "tbody", "thead", "tfoot", "option"})
_FORMATTING = frozenset({
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
})
_UNNESTED = _VOID | _SELF_ENDING | RAW_ELEMENTS
_UNNESTED_TAGS = _UNNESTED | {"/" + name for name in _UNNESTED}
_FOREIGN_ELEMENTS = frozenset({"svg", "math"})
_SVG_SHAPES = frozenset({
    "circle", "clippath", "defs", "ellipse", "g", "line", "lineargradient", "mask", "path", "pattern", "polygon",
    "polyline", "radialgradient", "rect", "stop", "symbol", "use",
})
# fmt: on

_LINK_REL = "noopener noreferrer nofollow ugc"
_MAILTO = re.compile(r"mailto:[A-Za-z0-9.!#$%&'*+/=?^_~-]{1,64}@[A-Za-z0-9.-]{1,253}\Z", re.IGNORECASE)
_FOREIGN = re.compile(r"<(?:svg|math)\b", re.IGNORECASE)
_OPENING = re.compile(r"<[a-zA-Z]")
_TAG_NAME = re.compile(r"<[^\s/>]*+")
#: Browsers need no space between two attributes, and a name may begin with "=".
_ATTRIBUTE = re.compile(r"""[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>]*+))?""")
#: Overrides of the writing direction: with them a text reads otherwise than it is stored.
_OVERRIDES = re.compile("[\u202d\u202e]")
# As ammonia writes it: attribute values are quoted and escaped.
_IMAGE = re.compile(r'<img(?: [a-z]++="[^"]*+")*>')
_TRACKERS = re.compile(
    r'src="https?://(?:[a-z0-9-]+\.)*(?:feeds\.feedburner\.com/~r/|feedsportal\.com/|pixel\.wp\.com/|stats\.wordpress\.com/'
    r"|google-analytics\.com/|doubleclick\.net/|quantserve\.com/|scorecardresearch\.com/|rss\.buzzsumo\.com/)"
)
_TINY = re.compile(r' (?:width|height)="[0-2]"')

#: What relative addresses are relative to, for the one cleaner that all share: to build one costs more than to use it.
_base: ContextVar[str] = ContextVar("base", default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanedParts:
    """The parts of an entry that are safe to show; ``text`` is the content as plain text, paragraphs as lines."""

    title: str
    author: str
    #: Absolute http(s) address, or empty.
    url: str
    canonical_url: str
    content_html: str
    text: str
    #: What its relative addresses are relative to.
    base_url: str


def clean_parts(entry: ParsedEntry, feed_url: str, site_names: Iterable[str] = ()) -> CleanedParts:
    """All of ``entry`` that can be shown. Without a title its first words stand for it, without text its address.

    ``site_names`` are what the feed is called: a title says them for search engines, not for readers.
    """
    base_url = resolve_url(feed_url, entry.base_url) or resolve_url(feed_url, entry.url) or feed_url
    url = resolve_url(feed_url, entry.url)
    content_html = clean_html(entry.content_html or entry.summary_html, base_url)
    text = html_to_text(content_html)
    first_words = text.partition("\n")[0] or url.partition("://")[2]
    return CleanedParts(
        title=_clean_title(entry.title, text, url, site_names) or cut_text(first_words, 100),
        author=clean_line(entry.author, MAX_AUTHOR),
        url=url,
        canonical_url=canonicalize_url(url),
        content_html=content_html,
        text=text,
        base_url=base_url,
    )


def _clean_title(raw: str, text: str, url: str, site_names: Iterable[str]) -> str:
    title = drop_site_name(clean_line(raw, MAX_TITLE), site_names, url)
    return cut_text(complete_title(title, raw[-40:], text), MAX_TITLE)


def clean_html(html: str, base_url: str) -> str:
    """HTML of the policy's elements only, all addresses absolute; relative ones are resolved against ``base_url``."""
    html = xml_text(html)
    if not html.strip():
        return ""
    if not is_within_limits(html):
        return _as_text(html)
    token = _base.set(base_url)
    try:
        cleaned = _cleaner().clean(html)
    finally:
        _base.reset(token)
    if "&#" in html:  # the reference is read by now: what it hid must go as well
        cleaned = xml_text(cleaned)
    if "<pre>\n" in cleaned:  # a reader drops one line feed there (HTML 13.2.6.4.7), and one was meant
        cleaned = cleaned.replace("<pre>\n", "<pre>\n\n")
    if "\u202d" in cleaned or "\u202e" in cleaned:
        cleaned = _OVERRIDES.sub("", cleaned)
    return (_IMAGE.sub(_keep_image, cleaned) if "<img" in cleaned else cleaned).strip()


def _as_text(html: str) -> str:
    text = html_to_text(html)[:MAX_HTML_LENGTH]
    paragraphs = (
        escape(_OVERRIDES.sub("", xml_text(part)), quote=False) for part in text.split("\n\n") if part.strip()
    )
    return "".join(f"<p>{part}</p>" for part in paragraphs)


@cache
def _cleaner() -> nh3.Cleaner:
    import nh3

    return nh3.Cleaner(
        tags=set(TAGS),
        clean_content_tags=set(DROPPED_WITH_CONTENT),
        # "*" must be named: without it, title and lang pass on every element.
        attributes={"*": set(), **{tag: set(names) for tag, names in ATTRIBUTES.items()}},
        attribute_filter=_filter_attribute,
        strip_comments=True,
        link_rel=_LINK_REL,
        generic_attribute_prefixes=set(),
        url_schemes={"http", "https", "mailto"},
    )


def _filter_attribute(tag: str, name: str, value: str) -> str | None:
    match name:
        case "href":
            return value.strip() if _MAILTO.match(value.strip()) else resolve_url(_base.get(), value) or None
        case "src":
            return resolve_url(_base.get(), value) or None
        case "width" | "height":
            return _number(value, 4)
        case "colspan" | "rowspan":
            return _number(value, 3)
        case "start":
            return _number(value, 6)
        case "alt" | "title":
            return clean_line(value, 500)
        case _:  # rel, which the cleaner itself adds
            return value if tag == "a" and len(value) < MAX_URL_LENGTH else None


def _number(value: str, digits: int) -> str | None:
    value = value.strip().removesuffix("px")
    return str(int(value)) if value.isascii() and value.isdigit() and len(value) <= digits else None


def _keep_image(found: re.Match[str]) -> str:
    """Nothing for a picture without an address, of no size, or known to count readers."""
    image = found[0]
    if ' src="' not in image or _TRACKERS.search(image) or _TINY.search(image):
        return ""
    return image


def is_within_limits(html: str) -> bool:
    """Whether the cleaner can do ``html`` in a blink. What is counted is never less than what a browser would build."""
    if len(html) > MAX_HTML_LENGTH or html.count("&") > MAX_AMPERSANDS:
        return False
    if html.count("<") <= MAX_DEPTH and len(html) <= 16_384:
        return True
    plain = _measure_plain(html)
    return plain if plain is not None else _measure(html)


def _measure_plain(html: str) -> bool | None:
    """The same for HTML of which all tags are plain and nothing is foreign; None for other HTML."""
    tags = find_plain_tags(html)
    if tags is None or not _FOREIGN_ELEMENTS.isdisjoint(tags):
        return None
    counts = Counter(tags)
    inline = sum(map(counts.__getitem__, _FORMATTING))
    if inline * len(tags) <= MAX_FORMATTING:
        # The sum is small however they lie, so that only those count which can make it deeper.
        deep = [count for name, count in counts.items() if name not in _UNNESTED and not name.startswith("/")]
        if sum(deep) <= MAX_DEPTH:
            return True
    open_counts: dict[str, int] = {}
    depth = formatting = work = 0
    for tag in tags:
        if tag in _UNNESTED_TAGS:
            pass
        elif tag[0] != "/":
            open_counts[tag] = open_counts.get(tag, 0) + 1
            depth += 1
            formatting += tag in _FORMATTING
            if depth > MAX_DEPTH:
                return False
        elif open_counts.get(name := tag[1:], 0) > 0:
            open_counts[name] -= 1
            depth -= 1
            formatting -= name in _FORMATTING
        work += formatting
    return work <= MAX_FORMATTING


def _measure(html: str) -> bool:
    open_counts: Counter[str] = Counter()
    depth = formatting = work = 0
    foreign, in_svg = _FOREIGN.search(html) is not None, False
    for token in iter_tokens(html):
        if token.raw:  # may be HTML after all (in svg, in template): its beginnings count, its ends do not
            depth += len(_OPENING.findall(token.text))
        elif token.closing:
            if open_counts[token.name] > 0:
                open_counts[token.name] -= 1
                depth -= 1
                formatting -= token.name in _FORMATTING
        else:
            in_svg = token.name == "svg" or (in_svg and token.name in _SVG_SHAPES)
            if _nests(token, foreign, in_svg):
                open_counts[token.name] += 1
                depth += 1
                formatting += token.name in _FORMATTING
        work += formatting
        if depth > MAX_DEPTH or work > MAX_FORMATTING or _has_too_many_attributes(token.source):
            return False
    return True


def _nests(token: Token, foreign: bool, in_svg: bool) -> bool:
    """Whether a start tag may make what follows one level deeper. In svg and math, HTML's own rules do not hold."""
    if not foreign:
        return token.name not in _UNNESTED
    return not (in_svg and token.source.endswith("/>"))


def _has_too_many_attributes(tag: str) -> bool:
    if len(tag) <= 2 * MAX_ATTRIBUTES:
        return False
    return sum(1 for _ in _ATTRIBUTE.finditer(_TAG_NAME.sub("", tag, count=1))) > MAX_ATTRIBUTES
