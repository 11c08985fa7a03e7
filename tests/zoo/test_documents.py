"""Z25-Z44 from end to end: documents that are bombs, wrecks or lies. An entry or a feed may fail, and nothing else."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence

import pytest

from aggregator.model.entry import Entry
from tests.zoo.conftest import Zoo, check_healthy, run_round
from tests.zoo.documents import atom, item, items, rss, serve
from tests.zoo.expect import Either, Expected, Stored, check_animal, either, refused

MIB = 1024 * 1024
#: What a document may be refused as when it cannot be read at all.
WRECK = ("not_xml", "not_a_feed", "too_hostile")


def with_dtd(inside: str, used: str) -> bytes:
    return rss(item(1, f"<description>{used}</description>") + item(2), head=f"<!DOCTYPE rss [{inside}]>")


def content(html: str) -> bytes:
    """One item with this HTML, in CDATA, and a good one after it."""
    return rss(item(1, f"<description><![CDATA[{html}]]></description>") + item(2))


def inside(text: str) -> bytes:
    """One item with this raw text in its title and its description, between two good ones."""
    odd = f"<item><guid>urn:zoo:odd</guid><title>a{text}b</title><description>a{text}b</description></item>"
    return rss(item(1) + odd + item(2))


def titled(*titles: str) -> Callable[[Sequence[Entry]], bool]:
    return lambda stored: [entry.title for entry in stored] == list(titles)


def clean(stored: Sequence[Entry]) -> bool:
    """Text that every database and XML writer takes."""
    texts = [text for entry in stored for text in (entry.title, entry.excerpt, entry.author, entry.url)]
    return not any(c < " " or "\ud800" <= c <= "\udfff" or c in "\ufffe\uffff" for text in texts for c in text)


def json_feed(inside: str) -> bytes:
    return f'{{"version": "https://jsonfeed.org/version/1.1", "title": "Zoo", "items": [{inside}]}}'.encode()


LAUGHS = "<!ENTITY l0 'ha'>" + "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 10))
EXTERNAL = (
    "<!ENTITY f SYSTEM 'file:///etc/hostname'><!ENTITY h SYSTEM 'http://animal0.example/x'>"
    "<!ENTITY % p SYSTEM 'http://animal0.example/p'> %p;"
)
CUT = rss(items(200))
ENTRY_ENDS = [place for place in range(len(CUT)) if CUT.startswith(b"</item>", place)]


def cut_at(place: int) -> tuple[bytes, Expected]:
    """Every item that ends before the cut is stored."""
    whole = sum(end + len("</item>") <= place for end in ENTRY_ENDS)
    return CUT[:place], Stored(whole) if whole else Either(frozenset(WRECK))


CASES: dict[str, dict[str, tuple[bytes, Expected]]] = {
    "Z25 billion laughs": {
        "nested": (with_dtd(LAUGHS, "&l9;"), either("too_hostile")),
        "in UTF-16": (codecs.BOM_UTF16_LE + with_dtd(LAUGHS, "&l9;").decode().encode("utf-16-le"), either(*WRECK)),
        "behind a comment": (b"<!-- x -->" + with_dtd(LAUGHS, "&l9;"), either(*WRECK)),
    },
    "Z26 quadratic entity": {
        "100 KB x 20,000": (with_dtd(f"<!ENTITY a '{'a' * 100_000}'>", "&a;" * 20_000), either("too_hostile")),
        "250 B x 50,000": (with_dtd(f"<!ENTITY a '{'a' * 250}'>", "&a;" * 50_000), refused("too_hostile")),
    },
    "Z27 external entities": {
        "used": (with_dtd(EXTERNAL, "&f;&h;"), Stored(2, check=lambda stored: "animal" not in str(stored[0].excerpt))),
        "external subset": (
            rss(items(2), head="<!DOCTYPE rss SYSTEM 'http://animal0.example/dtd'>"),
            Stored(2),
        ),
        "public subset": (
            rss(items(2), head="<!DOCTYPE rss PUBLIC '-//N//DTD RSS 0.91//EN' 'http://animal0.example/rss.dtd'>"),
            Stored(2),
        ),
        "XInclude": (
            rss(item(1) + "<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='file:///etc/hostname'/>"),
            Stored(1),
        ),
    },
    "Z28 small literal entities": {
        "written out": (
            rss("<item><title>&pub; &dash; x</title></item>", head=
                "<!DOCTYPE rss [<!ENTITY pub 'Acme'><!ENTITY dash '&#8212;'>]>"),
            Stored(1, check=titled("Acme — x")),
        ),
        "of HTML": (rss("<item><title>caf&eacute;&nbsp;R&D</title></item>"), Stored(1, check=titled("café R&D"))),
    },
    "Z29 prologs": {
        "100 KB of doctype": (rss(items(2), head=f"<!DOCTYPE rss [{'<!-- x -->' * 10_000}]>"), either(*WRECK)),
        "1 MB of doctype": (rss(items(2), head="<!DOCTYPE " + "x" * MIB + ">"), refused("too_hostile")),
        "1 MB of line ends": (b"\n" * MIB + rss(items(2), head=""), refused("too_hostile")),
        "1 MB of line ends inside": (rss(items(2), head="<?xml version='1.0'?>" + "\n" * MIB), refused("too_hostile")),
        "encoding= x 2,500": (b"<?xml " + b"encoding='" * 2_500 + b"?>" + rss(items(2), head=""), either(*WRECK)),
        "instructions": (b"<?encoding=\"x\"" * 5_000 + rss(items(2), head=""), either(*WRECK)),
    },
    "Z30 a title without end": {
        "100 MB": (rss(f"<item><title>{'t' * 100 * MIB}</title></item>"), refused("too_large")),
        "9 MB": (
            rss(f"<item><title>{'word ' * (9 * MIB // 5)}</title></item>"),
            Stored(1, check=lambda stored: len(stored[0].title) <= 300),
        ),
    },
    "Z31 too many": {
        "nested": (rss("<a>" * 40_000), either(*WRECK)),
        "nested in an item": (rss(item(1, "<a>" * 40_000 + "</a>" * 40_000)), either(*WRECK)),
        "items": (rss("<item/>" * MIB), refused("too_hostile")),
        "attributes": (rss("<item " + " ".join(f"a{n}='x'" for n in range(100_000)) + "/>"), refused("too_hostile")),
        "a long attribute": (rss(f"<item a='{'x' * 5 * MIB}'/>"), refused("too_hostile")),
        "categories": (rss(item(1, "<category>c</category>" * 40_000) + item(2)), either("too_hostile")),
        "links": (rss(item(1, "<link>http://e.example/</link>" * 40_000) + item(2)), either("too_hostile")),
        "enclosures": (rss(item(1, "<enclosure url='http://e.example/'/>" * 40_000) + item(2)), either("too_hostile")),
        "namespaces": (rss("".join(f"<x{n}:a xmlns:x{n}='u:{n}'/>" for n in range(10_000))), refused("too_hostile")),
    },
    "Z32 cut at every 1,000th byte": {str(place): cut_at(place) for place in range(0, len(CUT), 1_000)},
    "Z33 authors": {
        "no at": (rss(item(1, f"<author>{'a' * 100_000}</author>") + item(2)), Stored(2)),
        "dots": (rss(item(1, f"<author>a@{'a.' * 32_000}!</author>") + item(2)), Stored(2)),
        "many": (rss("".join(item(n, f"<author>{'a' * 512}</author>") for n in range(4_000))), Stored(4_000)),
        "in Atom": (
            atom(f"<entry><id>urn:1</id><title>T</title><author><name>{'a@' * 30_000}</name></author></entry>"),
            Stored(1),
        ),
    },
    "Z34 styles and comments": {
        "spaces": (content(f"<p style='color:{' ' * 50_000}x'>a</p>"), Stored(2)),
        "url(": (content(f"<p style='{'url(' * 20_000}'>a</p>"), Stored(2)),
        "open comment": (content("<!-- " + "-" * 200_000), Stored(2)),
        "open comments": (content("<!--" * 50_000), Stored(2)),
        "conditional": (content("<!--[if gte mso 9]>" * 20_000), Stored(2)),
    },
    "Z35 nested content": {
        "div": (content("<div>" * 100_000), Stored(2)),
        "lists": (content("<ul><li>" * 50_000), Stored(2)),
        "inline": (content("<b><i>" * 50_000 + "x"), Stored(2)),
        "tables": (content("<table><tr><td>" * 30_000), Stored(2)),
        "XHTML": (
            atom(f"<entry><id>urn:1</id><title>T</title><content type='xhtml'>{'<div>' * 50_000}</content></entry>"),
            either(*WRECK),
        ),
    },
    "Z36 runs": {
        "& in a title": (inside("&" * 200_000), Stored(1)),
        "< in a document": (rss(item(1) + "<" * 200_000), Stored(1)),
        "& in content": (content("&" * 500_000), Stored(2)),
        "< in content": (content("<" * 500_000), Stored(2)),
        "quotes": (content("<a href=" + "'\"" * 100_000), Stored(2)),
    },
    "Z37 never closed": {
        "CDATA": (rss(item(1) + "<item><title><![CDATA[" + "x" * 100_000), Stored(1)),
        "CDATA again and again": (rss(item(1) + "<item><title>" + "<![CDATA[" * 50_000), Stored(1)),
        "comment": (rss(item(1) + "<!-- " + items(1_000)), Stored(1)),
        "comments": (rss(item(1) + "<!--" * 50_000), Stored(1)),
        "instruction": (rss(item(1) + "<?php " + "x" * 100_000), Stored(1)),
        "tag": (rss(item(1) + "<item " + "x" * 60_000), either(*WRECK)),
    },
    "Z38 references": {
        "100,000 digits": (inside("&#" + "9" * 100_000 + ";"), Stored(3, check=clean)),
        "hex digits": (inside("&#x" + "f" * 100_000 + ";"), Stored(3, check=clean)),
        "surrogate": (inside("&#xD800;&#55296;"), Stored(3, check=clean)),
        "beyond Unicode": (inside("&#x110000;&#1114112;"), Stored(3, check=clean)),
        "controls": (inside("&#0;&#8;&#x1b;&#xFFFE;&#xFFFF;"), Stored(3, check=clean)),
        "twice escaped": (inside("&amp;#0;&amp;#xD800;&amp;#99999999999999999999;"), Stored(3, check=clean)),
    },
    "Z39 broken bytes": {
        "NUL": (inside("\0"), Stored(3, check=clean)),
        "controls": (inside("\x01\x08\x0b\x1f\x7f\x85"), Stored(3, check=clean)),
        "surrogate in UTF-8": (inside("\ud800"), Stored(3, check=clean)),
        "not UTF-8": (inside("*").replace(b"a*b", b"a\xff\xfe\xc3b"), Stored(3, check=clean)),
        "overlong": (inside("*").replace(b"a*b", b"a\xc0\xbcscript\xc0\xbeb"), Stored(3, check=clean)),
        "noncharacters": (inside("\ufffe\uffff"), Stored(3, check=clean)),
        "lone surrogate in UTF-16": (
            codecs.BOM_UTF16_LE + inside("*").decode().replace("*", "\ud800").encode("utf-16-le", "surrogatepass"),
            Stored(3, check=clean),
        ),
        "UTF-16 of odd length": (codecs.BOM_UTF16_LE + rss(items(3)).decode().encode("utf-16-le")[:-1], Stored(3)),
        "UTF-32": (codecs.BOM_UTF32_BE + rss(items(3)).decode().encode("utf-32-be"), Stored(3)),
        "all bytes": (inside("*").replace(b"*", bytes(set(range(256)) - set(b"<&"))), Stored(3, check=clean)),
    },
    "Z40 encodings that lie": {
        f"declares {name}": (rss(items(3), head=f"<?xml version='1.0' encoding='{name}'?>"), Stored(3))
        for name in ("utf-7", "punycode", "unicode_escape", "zlib_codec", "idna", "undefined", "a\0b", "x" * 1000,
                     "utf-16", "utf-32", "rot13", "base64", "hex", "cp037", "mbcs", "raw_unicode_escape")
    },
    "Z41 no feed at all": {
        "web page": (b"<!DOCTYPE html><html><title>Home</title><body>x</body></html>", refused("web_page")),
        "login page": (b"<html><title>Log in</title><form><input type='password'></form></html>", refused("web_page")),
        "challenge": (b"<html><head><title>Just a moment...</title></head></html>", refused("web_page")),
        "JSON": (b'{"error": "no"}', refused("not_a_feed")),
        "PDF": (b"%PDF-1.7\n" + b"x" * 1000, refused("not_a_feed")),
        "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(1000), refused("not_a_feed")),
        "empty": (b"", refused("not_a_feed")),
        "white space": (b" \r\n\t" * 1000, refused("not_a_feed")),
        "zeros": (bytes(100_000), refused("not_a_feed", "not_xml")),
        "ones": (b"\xff" * 100_000, refused("not_a_feed", "not_xml")),
        "a path": (b"/etc/passwd", refused("not_a_feed")),
        "an address": (b"http://animal0.example/feed", refused("not_a_feed")),
    },
    "Z42 JSON Feed": {
        "NaN": (json_feed('{"id": NaN, "title": "a", "date_published": Infinity}, {"id": "2"}'), Stored(1)),
        "10^400": (json_feed('{"id": 1e400, "title": "a"}, {"id": ' + "9" * 400 + ', "title": "b"}'), Stored(2)),
        "5,000 digits": (json_feed('{"id": ' + "9" * 5_000 + ', "title": "a"}, {"id": "2"}'), either(*WRECK)),
        "double keys": (json_feed('{"id": "1", "id": "2", "title": "a", "title": "b"}'), Stored(1)),
        "double items": (json_feed('{"id": "1", "title": "a"}').replace(b'"items"', b'"items": 1, "items"'), Stored(1)),
        "surrogates": (json_feed(r'{"id": "1", "title": "a\ud800b\udc00"}'), Stored(1, check=clean)),
        "NUL": (json_feed(r'{"id": "1\u0000", "title": "a\u0000b\u0008", "url": "\u0000"}'), Stored(1, check=clean)),
        "wrong types": (
            json_feed('1, null, "x", [], {"id": {}, "title": [1], "url": 5, "tags": {"a": 1}, "authors": "x", '
                      '"attachments": 7, "date_published": [], "content_text": false}, {"id": 3, "title": "b"}'),
            Stored(1),
        ),
        "cut": (json_feed('{"id": "1", "title": "a"}, {"id": "2", "title": "b"}, {"id": "3", "ti')[:-2], Stored(2)),
        "a million items": (json_feed(",".join(["{}"] * 1_000_000)), refused("too_hostile")),
        "commas": (json_feed("," * 1_000_000), either(*WRECK)),
        "spaces": (b" " * 1_000_000 + json_feed('{"id": "1", "title": "a"}'), either(*WRECK)),
        "a long title": (json_feed('{"id": "1", "title": "' + "word " * 1_000_000 + '"}'), Stored(1)),
        "in UTF-16": (json_feed('{"id": "1", "title": "a"}').decode().encode("utf-16"), either(*WRECK)),
    },
    "Z42 JSON with markup": {
        "script": (
            json_feed('{"id": "1", "url": "javascript:alert(1)", "content_html": "<script>alert(1)</script>"}'),
            Stored(1, check=lambda stored: stored[0].url == ""),
        ),
    },
    "Z42 JSON that is deep": {
        "lists": (json_feed('{"id": "1", "title": ' + "[" * 100_000 + "]" * 100_000 + "}"), either(*WRECK)),
        "objects": (json_feed('{"id": "1", "_x": ' + '{"a":' * 100_000 + "1" + "}" * 100_001), either(*WRECK)),
        "lists never closed": (b"[" * 1_000_000, refused(*WRECK)),
        "objects never closed": (b'{"items":' * 100_000, refused(*WRECK)),
    },
    "Z43 foreign machinery": {
        "style sheet": (
            rss(items(2), head="<?xml version='1.0'?><?xml-stylesheet type='text/xsl' href='http://animal0.example/x'?>"),
            Stored(2),
        ),
        "xml:base": (
            atom("<entry xml:base='javascript:alert(1)//'><id>urn:1</id><title>T</title><link href='x'/></entry>"),
            Stored(1, check=lambda stored: stored[0].url == "http://animal1.example/x"),
        ),
        "base of data": (
            atom("<entry><id>urn:1</id><title>T</title><link href='x'/></entry>", "<link rel='self' href='data:,x'/>"),
            Stored(1, check=lambda stored: not stored[0].url.startswith("data")),
        ),
        "script": (rss(item(1) + "<h:script xmlns:h='http://www.w3.org/1999/xhtml'>a</h:script>" + item(2)), Stored(2)),
    },
    "Z44 addresses that break readers": {
        address[:30]: (
            rss(item(1, f"<link>{address}</link><enclosure url='{address}'/><source url='{address}'/>") + item(2)),
            Stored(2, check=clean),
        )
        for address in ("http://[", "http://[::1", "http://]/", "http://[v1.x]/", "http://e:99999999/", "http://e:x/",
                        "//", "http://" + "a." * 5000, "http://\u2488com/", "http://xn--/", "http://e/%zz%", "mailto:",
                        "javascript:alert(1)", "http://\uff0fe", "?", "#", "http:", "http://e\u3000x/", "h" * 60_000)
    },
}  # fmt: skip

#: Where what is stored may differ: characters, and addresses.
_TEXT = ("Z38", "Z39", "Z42", "Z44")
_RUNS = [(case, "sqlite") for case in CASES] + [(case, "postgres") for case in CASES if case.startswith(_TEXT)]


@pytest.mark.parametrize(("case", "database_url"), _RUNS, indirect=["database_url"])
def test_a_hostile_document_costs_at_most_its_own_feed(case: str, zoo: Zoo) -> None:
    urls = {zoo.add(serve(body, ETag='"1"')): (name, expected) for name, (body, expected) in CASES[case].items()}
    zoo.add_healthy()

    with zoo.open() as app:
        results = run_round(app)
        check_healthy(zoo, results)
        for url, (name, expected) in urls.items():
            check_animal(app, name, results[url], expected)

    assert len(zoo.server.requests) == len(zoo.specs), "nothing but the feeds themselves was asked for"
