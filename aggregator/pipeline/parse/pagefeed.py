"""A web page without a feed -> `ParsedFeed`, by the editor's rules (`PageRules`). Never runs a page's scripts.

Runs where `parse_feed` does, in a child with limits: a selector that is slow on some page costs that page only. Pages
are bounded before they are read: the parser takes quadratic time over the attributes of one tag, and ends at depth 256.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

from aggregator.errors import ParseError
from aggregator.model.feed import MAX_SELECTOR, PageRules
from aggregator.model.parsed import ParsedEntry, ParsedFeed, RejectedEntry
from aggregator.pipeline.htmltext import html_to_text
from aggregator.pipeline.parse.charset import decode_document
from aggregator.pipeline.parse.diagnose import describe_page, find_other_file, name_blocker
from aggregator.pipeline.parse.fields import MAX_ADDRESS, MAX_FEED_LINE, MAX_HTML, MAX_TITLE, _language, _paragraphs
from aggregator.pipeline.parse.guard import MAX_ATTRIBUTES
from aggregator.pipeline.parse.moments import read_written_date
from aggregator.pipeline.urls import resolve_url
from aggregator.pipeline.words import clean_line, xml_text

MAX_PAGE = 4 * 1024 * 1024
#: Items after these are not read: a page lists its newest first.
MAX_ITEMS = 500
MAX_PAGE_TAGS = 100_000
_META_CHARSET = re.compile(
    rb"""<meta\s[^<>]{0,200}?charset\s{0,9}=\s{0,9}["']?([A-Za-z0-9._:-]{1,40})""", re.IGNORECASE
)
_COMMENT = re.compile(r"<!--[^-]*+(?:-(?!->)[^-]*+)*+(?:-->)?")
#: A start tag as HTML reads it (13.2.5): quotes count only after an equals sign.
_ATTRIBUTE = r"""=?[^\s/>=]++(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|(?!["'])[^\s>]*+))?"""
_START_TAG = re.compile(rf"<[A-Za-z][^\s/>]*+(?:[\s/]++|{_ATTRIBUTE}|=)*+>?")
_ATTRIBUTES = re.compile(_ATTRIBUTE)
_SILENT = re.compile(r"<(script|style|template)(?=[\s/>])", re.IGNORECASE)
_SILENT_ENDS = {
    name: re.compile(rf"</{name}(?=[\s/>])[^>]*+>?", re.IGNORECASE) for name in ("script", "style", "template")
}
_RULE_NAMES = ("items", "title", "link", "date")


def read_page(body: bytes, *, content_type: str = "", url: str, rules: PageRules) -> ParsedFeed:
    """The items that ``rules`` find on the page that was fetched from ``url``, in its order.

    Raises `ParseError`: ``no_items`` when they find nothing or are no selectors, ``web_page`` when somebody stands in
    the way of the page, ``not_a_feed`` for what is no page at all, ``too_hostile`` over a limit.
    """
    finders = _read_rules(rules)
    find_other_file(body)
    text = _decode(body, content_type)
    page = _parse(_without_silent(text))
    items = _find_outermost(finders["items"](page)) if page is not None else []
    if not items:
        if name_blocker(text):
            raise ParseError("web_page", describe_page(text))
        raise ParseError("no_items", f'the rules find nothing on this page (items: "{clean_line(rules.items, 100)}")')
    return _read_items(page, items, finders, url)


def _read_rules(rules: PageRules) -> dict[str, Any]:
    """A compiled path for each rule that is given."""
    from cssselect import HTMLTranslator, SelectorError, parse
    from lxml import etree

    finders: dict[str, Any] = {}
    for name in _RULE_NAMES:
        rule = getattr(rules, name).strip()
        if not rule and name != "items":
            continue
        try:
            if len(rule) > MAX_SELECTOR or any(selector.pseudo_element for selector in parse(rule)):
                raise SelectorError("not one that is read here")
            finders[name] = etree.XPath(HTMLTranslator().css_to_xpath(rule))
            finders[name](etree.Element("html"))  # some faults show in use only
        except (SelectorError, etree.XPathError, RecursionError, ValueError) as error:
            shown = escape(clean_line(escape(rule, quote=False), 100), quote=False)
            raise ParseError("no_items", f'{name}: "{shown}" is not a CSS selector') from error
    return finders


def _decode(body: bytes, content_type: str) -> str:
    if len(body) > MAX_PAGE:
        raise ParseError("too_hostile", f"{len(body):,} bytes, more than the {MAX_PAGE:,} that are read of a page")
    if "charset" not in content_type.lower():
        found = _META_CHARSET.search(body, 0, 4096)
        content_type = f"text/html; charset={found[1].decode('ascii')}" if found else content_type
    return xml_text(decode_document(body, content_type).text)


def _without_silent(text: str) -> str:
    """The page without scripts, styles and templates, whose text is no markup and is not shown."""
    pieces: list[str] = []
    position = 0
    while found := _SILENT.search(text, position):
        pieces.append(text[position : found.start()])
        ending = _SILENT_ENDS[found[1].lower()].search(text, found.end())
        if ending is None:  # never closed: the rest is its text
            return "".join(pieces)
        position = ending.end()
    pieces.append(text[position:])
    return "".join(pieces)


def _parse(text: str) -> Any:
    from lxml import etree

    tags = text.count("<")
    if tags > MAX_PAGE_TAGS:
        raise ParseError("too_hostile", f"{tags:,} tags, more than the {MAX_PAGE_TAGS:,} that are read of a page")
    text = _START_TAG.sub(_bound_tag, _COMMENT.sub("", text))
    parser = etree.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True)
    try:
        return etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.LxmlError, ValueError):  # nothing in it
        return None


def _bound_tag(found: re.Match[str]) -> str:
    """No tag within a tag: so the parser, whatever it takes for text, sees no start tag that was not counted here."""
    tag = found[0]
    if len(tag) > MAX_ATTRIBUTES and sum(1 for _ in _ATTRIBUTES.finditer(tag)) > MAX_ATTRIBUTES:
        raise ParseError("too_hostile", f"a start tag with more than {MAX_ATTRIBUTES} attributes")
    return "<" + tag[1:].replace("<", "&lt;")


def _find_outermost(found: Any) -> list[Any]:
    """An item within another one is a part of that."""
    items: list[Any] = []
    known: set[Any] = set()
    for element in found[: 20 * MAX_ITEMS] if isinstance(found, list) else []:
        if not any(ancestor in known for ancestor in element.iterancestors()):
            known.add(element)
            items.append(element)
    return items


def _read_items(page: Any, items: list[Any], finders: dict[str, Any], url: str) -> ParsedFeed:
    base = _first(page.xpath("//base[@href]"))
    base_url = (resolve_url(url, base.get("href")[:MAX_ADDRESS]) if base is not None else "") or url
    named: dict[tuple[str, str], ParsedEntry] = {}
    rejected: list[RejectedEntry] = []
    for item in items[:MAX_ITEMS]:
        try:
            entry = _read_item(item, finders, base_url)
        except Exception as error:  # noqa: BLE001  (one bad item must not cost the others)
            rejected.append(
                RejectedEntry(
                    index=len(named) + len(rejected), reason=f"cannot be read: {type(error).__name__}: {error}"[:200]
                )
            )
            continue
        if entry.title or entry.url:
            named.setdefault((entry.url, entry.title), entry)  # a teaser above the list repeats what is in it
        else:
            rejected.append(RejectedEntry(index=len(named) + len(rejected), reason="no text and no link"))
    entries = tuple(named.values())
    warnings = [f"{len(items):,} items, of which the first {MAX_ITEMS} are read"] if len(items) > MAX_ITEMS else []
    without_link = sum(1 for entry in entries if not entry.url)
    if without_link:
        warnings.append(f"{without_link} of {len(entries)} items have no link")
    root = page.getroottree().getroot()
    return ParsedFeed(
        title=clean_line(_one_line(_first(page.xpath("//title"))), MAX_FEED_LINE),
        site_url=url,
        language=_language(root.get("lang")),
        entries=entries,
        rejected=tuple(rejected),
        warnings=tuple(warnings),
    )


def _read_item(item: Any, finders: dict[str, Any], base_url: str) -> ParsedEntry:
    titled = _first(finders["title"](item)) if "title" in finders else None
    link = resolve_url(base_url, _find_link(item, finders))
    return ParsedEntry(
        id=link,
        url=link,
        # Escaped, because a title may be read as HTML later on.
        title=escape(_one_line(titled) or _one_line(item), quote=False)[:MAX_TITLE],
        content_html=_inner_html(item),
        published_at=_find_date(item, finders),
        base_url=base_url,
    )


def _first(found: Any) -> Any:
    return next((element for element in found if hasattr(element, "iter")), None) if isinstance(found, list) else None


def _one_line(element: Any) -> str:
    """All text in ``element``; the pieces of different elements are words of their own."""
    if element is None:
        return ""
    return " ".join(" ".join(element.itertext())[: 4 * MAX_TITLE].split())


def _find_link(item: Any, finders: dict[str, Any]) -> str:
    """What the rule's element (without a rule: the item) bears or holds, else the link around it."""
    place = _first(finders["link"](item)) if "link" in finders else item
    if place is None:
        return ""
    inner = _first(place.xpath("descendant-or-self::*[@href][not(self::link)][not(self::base)]"))
    if inner is None:
        inner = _first(place.xpath("ancestor::a[@href][1]"))
    return str(inner.get("href"))[:MAX_ADDRESS] if inner is not None else ""


def _find_date(item: Any, finders: dict[str, Any]) -> Any:
    place = _first(finders["date"](item)) if "date" in finders else None
    if place is None:
        return None
    for element in (place, _first(place.xpath("descendant::time[@datetime]"))):
        for name in ("datetime", "content"):
            moment = read_written_date(element.get(name) or "") if element is not None else None
            if moment is not None:
                return moment
    return read_written_date(_one_line(place))


def _inner_html(item: Any) -> str:
    from lxml import etree

    parts = [escape(item.text or "", quote=False)]
    parts += (etree.tostring(child, encoding="unicode", method="html") for child in item)
    html = "".join(parts).strip()
    return html if len(html) <= MAX_HTML else _paragraphs(html_to_text(html)[: MAX_HTML // 4])
