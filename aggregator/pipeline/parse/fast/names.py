"""Which names feedparser knows: namespaces, handled elements, HTML that makes a plain text look like HTML. Data only.

The tables are written out, because the fast road must not pay for importing feedparser; a test holds them against
feedparser's own.
"""

from __future__ import annotations

#: Lower-case namespace address -> the prefix that its elements are known by, whatever prefix the document uses.
NAMESPACES = {
    **dict.fromkeys(
        (
            "",
            "http://backend.userland.com/rss",
            "http://blogs.law.harvard.edu/tech/rss",
            "http://purl.org/rss/1.0/",
            "http://my.netscape.com/rdf/simple/0.9/",
            "http://example.com/newformat#",
            "http://example.com/necho",
            "http://purl.org/echo/",
            "uri/of/echo/namespace#",
            "http://purl.org/pie/",
            "http://purl.org/atom/ns#",
            "http://www.w3.org/2005/atom",
            "http://purl.org/rss/1.0/modules/rss091#",
        ),
        "",
    ),
    "http://webns.net/mvcb/": "admin",
    "http://purl.org/rss/1.0/modules/aggregation/": "ag",
    "http://purl.org/rss/1.0/modules/annotate/": "annotate",
    "http://media.tangent.org/rss/1.0/": "audio",
    "http://backend.userland.com/blogchannelmodule": "blogChannel",
    "http://creativecommons.org/ns#license": "cc",
    "http://web.resource.org/cc/": "cc",
    "http://cyber.law.harvard.edu/rss/creativecommonsrssmodule.html": "creativeCommons",
    "http://backend.userland.com/creativecommonsrssmodule": "creativeCommons",
    "http://purl.org/rss/1.0/modules/company": "co",
    "http://purl.org/rss/1.0/modules/content/": "content",
    "http://my.theinfo.org/changed/1.0/rss/": "cp",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://purl.org/dc/terms/": "dcterms",
    "http://purl.org/rss/1.0/modules/email/": "email",
    "http://purl.org/rss/1.0/modules/event/": "ev",
    "http://rssnamespace.org/feedburner/ext/1.0": "feedburner",
    "http://freshmeat.net/rss/fm/": "fm",
    "http://xmlns.com/foaf/0.1/": "foaf",
    "http://www.w3.org/2003/01/geo/wgs84_pos#": "geo",
    "http://www.georss.org/georss": "georss",
    "http://www.opengis.net/gml": "gml",
    "http://postneo.com/icbm/": "icbm",
    "http://purl.org/rss/1.0/modules/image/": "image",
    "http://www.itunes.com/dtds/podcast-1.0.dtd": "itunes",
    "http://example.com/dtds/podcast-1.0.dtd": "itunes",
    "http://purl.org/rss/1.0/modules/link/": "l",
    "http://search.yahoo.com/mrss": "media",
    "http://search.yahoo.com/mrss/": "media",
    "http://madskills.com/public/xml/rss/module/pingback/": "pingback",
    "http://prismstandard.org/namespaces/1.2/basic/": "prism",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf",
    "http://www.w3.org/2000/01/rdf-schema#": "rdfs",
    "http://purl.org/rss/1.0/modules/reference/": "ref",
    "http://purl.org/rss/1.0/modules/richequiv/": "reqv",
    "http://purl.org/rss/1.0/modules/search/": "search",
    "http://purl.org/rss/1.0/modules/slash/": "slash",
    "http://schemas.xmlsoap.org/soap/envelope/": "soap",
    "http://purl.org/rss/1.0/modules/servicestatus/": "ss",
    "http://hacks.benhammersley.com/rss/streaming/": "str",
    "http://purl.org/rss/1.0/modules/subscription/": "sub",
    "http://purl.org/rss/1.0/modules/syndication/": "sy",
    "http://schemas.pocketsoap.com/rss/mydescmodule/": "szf",
    "http://purl.org/rss/1.0/modules/taxonomy/": "taxo",
    "http://purl.org/rss/1.0/modules/threading/": "thr",
    "http://purl.org/rss/1.0/modules/textinput/": "ti",
    "http://madskills.com/public/xml/rss/module/trackback/": "trackback",
    "http://wellformedweb.org/commentapi/": "wfw",
    "http://purl.org/rss/1.0/modules/wiki/": "wiki",
    "http://www.w3.org/1999/xhtml": "xhtml",
    "http://www.w3.org/1999/xlink": "xlink",
    "http://www.w3.org/xml/1998/namespace": "xml",
    "http://podlove.org/simple-chapters": "psc",
}
STANDARD_PREFIXES = frozenset(NAMESPACES.values())
USERLAND = "http://backend.userland.com/rss"
#: (prefix, where only None will do) and namespace -> the version that its first declaration tells.
VERSIONS_BY_NAMESPACE: dict[tuple[str | None, str], str] = {
    (None, "http://my.netscape.com/rdf/simple/0.9/"): "rss090",
    (None, "http://purl.org/rss/1.0/"): "rss10",
    (None, "http://www.w3.org/2005/atom"): "atom10",
}

# fmt: off
#: Elements for which feedparser does something at the start tag or at the end tag.
HANDLED = frozenset({
    "abstract", "author", "body", "category", "cc_license", "channel", "cloud", "content", "content_encoded",
    "contributor", "copyright", "created", "creativeCommons_license", "creativecommons_license", "dc_author",
    "dc_contributor", "dc_creator", "dc_date", "dc_description", "dc_language", "dc_publisher", "dc_rights",
    "dc_subject", "dc_title", "dcterms_created", "dcterms_issued", "dcterms_modified", "dcterms_valid", "description",
    "email", "enclosure", "entry", "expirationdate", "feed", "feedburner_browserfriendly", "fullitem", "generator",
    "geom", "georss_box", "georss_line", "georss_point", "georss_polygon", "georss_where", "georssgeom",
    "gml_exterior", "gml_linearring", "gml_linestring", "gml_point", "gml_polygon", "gml_pos", "gml_poslist", "guid",
    "height", "homepage", "id", "image", "info", "issued", "item", "itunes_author", "itunes_block", "itunes_category",
    "itunes_email", "itunes_explicit", "itunes_image", "itunes_keywords", "itunes_link", "itunes_name",
    "itunes_owner", "itunes_subtitle", "itunes_summary", "keywords", "language", "lastbuilddate", "link",
    "managingeditor", "media_category", "media_content", "media_credit", "media_description", "media_group",
    "media_keywords", "media_license", "media_player", "media_rating", "media_restriction", "media_thumbnail",
    "media_title", "modified", "name", "newlocation", "psc_chapter", "psc_chapters", "pubdate", "published", "rights",
    "rss", "source", "subtitle", "summary", "tagline", "tags", "textInput", "textinput", "title", "updated", "uri",
    "url", "webmaster", "where", "width", "xhtml_body",
})
#: Unknown elements land in the same dictionary under their own name: these would take the place of something we read.
COLLIDING = frozenset({
    "author_detail", "authors", "contributors", "created_parsed", "date_parsed", "description_detail",
    "generator_detail", "issued_parsed", "links", "modified_parsed", "published_parsed", "publisher_detail",
    "summary_detail", "title_detail", "updated_parsed", "where_detail",
})
#: Elements that may stand in what is taken for HTML although it is declared as plain text.
HTML_ELEMENTS = frozenset({
    "a", "abbr", "acronym", "address", "area", "article", "aside", "audio", "b", "big", "blockquote", "br", "button",
    "canvas", "caption", "center", "cite", "code", "col", "colgroup", "command", "datagrid", "datalist", "dd", "del",
    "details", "dfn", "dialog", "dir", "div", "dl", "dt", "em", "event-source", "fieldset", "figcaption", "figure",
    "font", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "i", "img", "input", "ins", "kbd",
    "keygen", "label", "legend", "li", "m", "map", "menu", "meter", "multicol", "nav", "nextid", "noscript", "ol",
    "optgroup", "option", "output", "p", "pre", "progress", "q", "s", "samp", "section", "select", "small", "sound",
    "source", "spacer", "span", "strike", "strong", "sub", "sup", "table", "tbody", "td", "textarea", "tfoot", "th",
    "thead", "time", "tr", "tt", "u", "ul", "var", "video",
})
# fmt: on
