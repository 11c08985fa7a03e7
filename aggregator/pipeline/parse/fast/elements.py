"""What each element means: one function a kind, and the table of all that feedparser handles.

What stands in no table is a container: its children are read as if it were not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from aggregator.pipeline.parse.fast.limits import count_part
from aggregator.pipeline.parse.fast.markup import IN_CONTENT
from aggregator.pipeline.parse.fast.names import HANDLED
from aggregator.pipeline.parse.fast.people import IN_AUTHOR, IN_CONTRIBUTOR, IN_OWNER, begin_author, finish_author
from aggregator.pipeline.parse.fast.reader import (
    NO_ATTRIBUTES,
    Attributes,
    Inside,
    Kind,
    Reader,
    Unmodelled,
    finish_nothing,
    finish_unknown,
)
from aggregator.pipeline.parse.fast.values import join_address, map_type, read_date

_HTML_TYPES = ("text/html", "application/xhtml+xml")
_READABLE_TYPES = ("text/plain", *_HTML_TYPES)
_BROKEN_REFERENCE = re.compile("&([A-Za-z0-9_]+);")
_VERSIONS = {"0.1": "atom01", "0.2": "atom02", "0.3": "atom03"}


def begin_rss(reader: Reader, attributes: Attributes) -> None:
    if reader.depth != 1:
        raise Unmodelled("a feed in a feed")
    if not reader.version.startswith("rss"):
        reader.version = "rss"


def begin_feed(reader: Reader, attributes: Attributes) -> None:
    if reader.depth != 1:
        raise Unmodelled("a feed in a feed")
    reader.is_open = True
    if not reader.version:
        reader.version = _VERSIONS.get(attributes.get("version", ""), "atom")


def begin_rdf(reader: Reader, _attributes: Attributes) -> None:
    if reader.depth != 1:
        raise Unmodelled("RDF in a feed")


def begin_channel(reader: Reader, attributes: Attributes) -> None:
    if reader.depth != 2 or reader.is_open or "href" in attributes or "lastmod" in attributes:
        raise Unmodelled("an odd channel")
    reader.is_open = True

    def end_channel(reader: Reader) -> None:
        reader.is_open = False

    reader.endings[reader.depth] = end_channel


def begin_entry(reader: Reader, attributes: Attributes) -> None:
    reader.begin_entry()
    if attributes:
        if "href" in attributes or "lastmod" in attributes:
            raise Unmodelled("an entry of CDF")
        if attributes.get("rdf:about"):
            reader.context["id"] = attributes["rdf:about"]


def finish_media_title(reader: Reader, attributes: Attributes, text: str) -> None:
    before = reader.title_depth
    reader.save_title(attributes, text)
    reader.title_depth = before


def finish_link(reader: Reader, attributes: Attributes, text: str) -> None:
    count_part(reader)
    context = reader.context
    if attributes:
        link = attributes
        link.setdefault("rel", "alternate")
        link.setdefault("type", "application/atom+xml" if link["rel"] == "self" else "text/html")
        if "href" not in link or "url" in link or "uri" in link:
            _name_address(link)
    else:
        link = {"rel": "alternate", "type": "text/html"}
    context.setdefault("links", []).append(link)
    if "href" in link:
        link["href"] = join_address(reader.base, link["href"])
        if link["rel"] == "alternate" and map_type(link["type"]) in _HTML_TYPES:
            context["link"] = link["href"]
        return
    address = reader.repair(join_address(reader.base, text) if text else text)
    if "&" in address:
        if reader.depths is not None:
            address = address.replace("&amp;", "&")
        address = _BROKEN_REFERENCE.sub(r"&\g<1>", address)
    context["link"] = address
    if address:
        link["href"] = address


def _name_address(attributes: Attributes) -> None:
    """``url`` and ``uri`` are other words for ``href``."""
    href = attributes.get("url", attributes.get("uri", attributes.get("href")))
    if href:
        attributes.pop("url", None)
        attributes.pop("uri", None)
        attributes["href"] = href


def finish_enclosure(reader: Reader, attributes: Attributes, _text: str) -> None:
    count_part(reader)
    _name_address(attributes)
    attributes["rel"] = "enclosure"
    reader.context.setdefault("links", []).append(attributes)


def finish_id(reader: Reader, attributes: Attributes, text: str) -> None:
    is_link = not attributes or attributes.get("ispermalink", "true") == "true"
    value = reader.repair(join_address(reader.base, text) if text and is_link else text)
    reader.store("id", value)
    if is_link:
        reader.context.setdefault("link", value)


def finish_date(key: str) -> Callable[[Reader, Attributes, str], None]:
    def finish(reader: Reader, _attributes: Attributes, text: str) -> None:
        reader.context[key] = read_date(reader.repair(text))

    return finish


def finish_description(reader: Reader, attributes: Attributes, text: str) -> None:
    if "summary" in reader.context and not reader.has_content:
        _add_content(reader, reader.read_content(attributes, "text/plain", text))
        return
    _keep_detail(reader, "description", reader.read_content(attributes, "text/html", text))


def finish_abstract(reader: Reader, attributes: Attributes, text: str) -> None:
    _keep_detail(reader, "description", reader.read_content(attributes, "text/plain", text))


def finish_summary(reader: Reader, attributes: Attributes, text: str) -> None:
    detail = reader.read_content(attributes, "text/plain", text)
    if "summary" in reader.context and not reader.has_content:
        _add_content(reader, detail)
    else:
        _keep_detail(reader, "summary", detail)


def _keep_detail(reader: Reader, key: str, detail: dict[str, Any]) -> None:
    if key == "description":
        key = "subtitle" if reader.depths is None else "summary"
    reader.store(key, detail["value"])
    reader.context[f"{key}_detail"] = detail


def finish_content(reader: Reader, attributes: Attributes, text: str) -> None:
    _add_content(reader, reader.read_content(attributes, "text/plain", text))


def finish_encoded(reader: Reader, attributes: Attributes, text: str) -> None:
    _add_content(reader, reader.read_content(attributes, "text/html", text))


def _add_content(reader: Reader, detail: dict[str, Any]) -> None:
    count_part(reader)
    reader.has_content = True
    if reader.depths is not None:
        reader.context.setdefault("content", []).append(detail)
    if detail["type"] in _READABLE_TYPES:
        reader.context.setdefault("summary", detail["value"])


def finish_words(key: str) -> Callable[[Reader, Attributes, str], None]:
    """A text with a type: rights, subtitle."""

    def finish(reader: Reader, attributes: Attributes, text: str) -> None:
        reader.store(key, reader.read_content(attributes, "text/plain", text)["value"])

    return finish


def finish_language(reader: Reader, _attributes: Attributes, text: str) -> None:
    reader.store("language", reader.repair(text))


def finish_category(reader: Reader, attributes: Attributes, text: str) -> None:
    if attributes:
        scheme = attributes.get("scheme", attributes.get("domain"))
        _add_tag(reader, attributes.get("term"), scheme, attributes.get("label"))
    if text:
        _name_category(reader, reader.repair(text))


def finish_media_category(reader: Reader, attributes: Attributes, text: str) -> None:
    scheme = attributes.get("scheme", "http://search.yahoo.com/mrss/category_schema")
    _add_category(reader, attributes.get("term"), scheme, attributes.get("label"), text)


def finish_itunes_category(reader: Reader, attributes: Attributes, text: str) -> None:
    _add_category(reader, attributes.get("text"), _ITUNES, None, text)


_ITUNES = "http://www.itunes.com/"


def _add_category(reader: Reader, term: str | None, scheme: str | None, label: str | None, text: str) -> None:
    _add_tag(reader, term, scheme, label)
    if text:
        _name_category(reader, reader.repair(text))


def _name_category(reader: Reader, value: str) -> None:
    """The text of one: the term of one that was given none in its attributes, else a category of its own."""
    count_part(reader)
    tags, known = reader.tags()
    if tags and not tags[-1][0]:
        known.discard(tags[-1])
        tags[-1] = (value, *tags[-1][1:])
        known.add(tags[-1])
    elif (tag := (value, None, None)) not in known:
        known.add(tag)
        tags.append(tag)


def _add_tag(reader: Reader, term: str | None, scheme: str | None, label: str | None) -> None:
    if term or scheme or label:
        count_part(reader)
        tags, known = reader.tags()
        tag = (term, scheme, label)
        if tag not in known:
            known.add(tag)
            tags.append(tag)


def finish_keywords(scheme: str | None, *, even_with_attributes: bool = False) -> Callable[..., None]:
    def finish(reader: Reader, attributes: Attributes, text: str) -> None:
        if attributes and not even_with_attributes:
            return  # then feedparser takes them for an element that it does not know
        for term in reader.repair(text).split(","):
            if term.strip():
                _add_tag(reader, term.strip(), scheme, None)

    return finish


def _start_nested_category(reader: Reader, kind: Kind, _attributes: Attributes) -> None:
    """Categories of a whole feed are not read, however they nest."""
    if reader.depths is not None or kind.name != "itunes_category":
        raise Unmodelled("markup in a category")


def _end_nested_category(reader: Reader, kind: Kind) -> None:
    pass


def begin_picture(reader: Reader, _attributes: Attributes) -> None:
    reader.title_depth = -1


def _start_picture_part(reader: Reader, kind: Kind, attributes: Attributes) -> None:
    allowed = ("title", "link", "url", "href", "width", "height")
    is_allowed = kind.name in allowed or (kind.name == "description" and reader.depths is None)
    if reader.inner or attributes or not is_allowed:
        raise Unmodelled("an odd picture")


def _end_picture_part(reader: Reader, kind: Kind) -> None:
    """The title of an entry's picture is the entry's, when that has none so far from higher up."""
    if reader.depths is None:
        _end_titled_part(reader, kind)
    elif kind.name == "title":
        reader.save_title(NO_ATTRIBUTES, "".join(reader.pieces).strip())


def _start_textinput_part(reader: Reader, kind: Kind, attributes: Attributes) -> None:
    if (
        reader.depths is not None
        or reader.inner
        or attributes
        or kind.name not in ("title", "link", "description", "name")
    ):
        raise Unmodelled("an odd input field")


def _end_titled_part(reader: Reader, kind: Kind) -> None:
    """A title in here is not the feed's, but what lies as deep is no title either from now on."""
    if kind.name == "title" and "".join(reader.pieces).strip():
        reader.title_depth = reader.depth


def begin_textinput(reader: Reader, attributes: Attributes) -> None:
    if reader.depths is not None:
        raise Unmodelled("an input field in an entry")
    begin_picture(reader, attributes)


_SOURCE_PARTS = frozenset(
    "title id guid link updated published author contributor subtitle rights category generator icon logo".split()
)
_PERSONS = ("author", "contributor")


def _start_source_part(reader: Reader, kind: Kind, attributes: Attributes) -> None:
    if reader.inner:
        if len(reader.inner) > 1 or reader.inner[0].name not in _PERSONS or kind.name not in ("name", "email", "uri"):
            raise Unmodelled("an odd source")
    elif kind.name not in HANDLED:
        return
    elif (
        kind.name not in _SOURCE_PARTS
        or "mode" in attributes
        or (kind.name != "link" and map_type(attributes.get("type", "text")) not in _READABLE_TYPES)
    ):
        raise Unmodelled("an odd source")


def finish_type(reader: Reader, attributes: Attributes, text: str) -> None:
    """An unknown element, but where it says this, a summary without a type is taken for plain text."""
    if text == "text/plain":
        raise Unmodelled("a type that counts")


def finish_license(reader: Reader, _attributes: Attributes, _text: str) -> None:
    """feedparser loses its way when one lies deeper than another."""
    if reader.depths is not None and reader.depth - 1 not in reader.endings:
        raise Unmodelled("a licence that is no child of its entry")


def begin_chapter(reader: Reader, attributes: Attributes) -> None:
    if "start" not in attributes:
        raise Unmodelled("a chapter without a beginning")


def _make_table() -> dict[str, Kind]:
    nothing = Kind(finish=finish_nothing)
    author = Kind(begin_author, finish_author, IN_AUTHOR)
    entry = Kind(begin_entry)
    titled = Kind(begin_picture, finish_nothing, Inside(_start_picture_part, _end_picture_part))
    textinput = Kind(begin_textinput, finish_nothing, Inside(_start_textinput_part, _end_titled_part))
    source = Kind(begin_picture, finish_nothing, Inside(_start_source_part, _end_titled_part))
    in_categories = Inside(_start_nested_category, _end_nested_category)
    texts: dict[str, tuple[Callable[[Reader, Attributes, str], None], Inside | None]] = {
        "title dc_title": (Reader.save_title, IN_CONTENT),
        "media_title": (finish_media_title, IN_CONTENT),
        "link": (finish_link, None),
        "id guid": (finish_id, None),
        "enclosure": (finish_enclosure, None),
        "published issued pubdate dcterms_issued": (finish_date("published_parsed"), None),
        "updated modified lastbuilddate dc_date dcterms_modified": (finish_date("updated_parsed"), None),
        "created dcterms_created": (finish_date("created_parsed"), None),
        "description dc_description media_description": (finish_description, IN_CONTENT),
        "abstract": (finish_abstract, IN_CONTENT),
        "summary itunes_summary": (finish_summary, IN_CONTENT),
        "content": (finish_content, IN_CONTENT),
        "content_encoded fullitem": (finish_encoded, IN_CONTENT),
        "rights copyright dc_rights": (finish_words("rights"), IN_CONTENT),
        "subtitle tagline itunes_subtitle": (finish_words("subtitle"), IN_CONTENT),
        "language dc_language": (finish_language, None),
        **{name: (finish_unknown(name), None) for name in ("ttl", "slash_comments", "thr_total")},
        "type": (finish_type, None),
        "category keywords dc_subject": (finish_category, in_categories),
        "media_category": (finish_media_category, None),
        "itunes_category": (finish_itunes_category, in_categories),
        "itunes_keywords": (finish_keywords(_ITUNES), None),
        "media_keywords": (finish_keywords(None), None),
        "tags": (finish_keywords(None, even_with_attributes=True), None),
        "creativeCommons_license creativecommons_license": (finish_license, None),
        "contributor": (finish_nothing, IN_CONTRIBUTOR),
        "itunes_owner": (finish_nothing, IN_OWNER),
    }
    ignored = (
        "cc_license cloud dc_contributor dc_publisher dcterms_valid email expirationdate generator georss_box "
        "georss_line georss_point georss_polygon height homepage itunes_block itunes_email itunes_explicit "
        "itunes_image itunes_link itunes_name media_credit media_license media_player media_rating "
        "media_restriction media_thumbnail name uri url webmaster width info feedburner_browserfriendly"
    )
    containers = "media_content media_group where georss_where psc_chapters"
    table = {
        name: Kind(finish=finish, inside=inside) for names, (finish, inside) in texts.items() for name in names.split()
    }
    table |= dict.fromkeys(ignored.split(), nothing) | dict.fromkeys(containers.split(), Kind())
    table |= dict.fromkeys("author managingeditor dc_author dc_creator itunes_author".split(), author)
    table |= {"item": entry, "entry": entry, "image": titled, "textinput": textinput, "source": source}
    table |= {"rss": Kind(begin_rss), "feed": Kind(begin_feed), "rdf_rdf": Kind(begin_rdf)}
    table |= {"channel": Kind(begin_channel), "psc_chapter": Kind(begin_chapter)}
    return table


KINDS = _make_table()
