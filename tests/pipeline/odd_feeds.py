"""A generator of odd feeds: few names, so that they meet, each text and attribute plain or strange, in any place."""

from hypothesis import strategies as st

# fmt: off
TEXTS = st.sampled_from((
    "", " ", "One", "x &amp; y", "&lt;b&gt;bold&lt;/b&gt; text", "<![CDATA[<p>a</p> & b]]>", "é ü", "Ã©", "&#146;s",
    "日本", "https://e.org/1", "/relative?a=1&amp;b=2", "http:///e.org/x", "a@b.org (Ann)", "Ann &lt;a@b.org&gt;",
    "Tue, 24 Nov 2026 03:00:00 +0900", "2026-11-24T03:00:00Z", "2026-11-24", "24 Nov 2026", "2026-02-30T00:00:00Z",
    "Tue, 24 Nov 2026 03:00:00 EST", "2026-11-24T03:00:00.5+09:00", "nonsense", "x" * 400, "a" * 70 + "@b.org",
    "a, b,c", "60", "en_US", "R&D", "&nbsp;", "&#x1F600;", "&copy",
    "R &amp; D <b>bold &lt;</b> <i title='é'/>",
    "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' width='1'>x</svg>",
))
ATTRIBUTES = st.lists(
    st.sampled_from((
        "type='html'", "type='text'", "type='xhtml'", "type='text/html'", "type='TEXT/PLAIN'", "mode='escaped'",
        "href='/a'", "href='https://e.org/x?a=1&amp;b=2'", "rel='self'", "rel='enclosure'", "rel='ALTERNATE'",
        "isPermaLink='false'", "isPermaLink='true'", "xml:base='https://b.org/d/'", "xml:lang='ja'", "xml:lang=''",
        "xml:base='sub/'", "lang='de-AT'", "term='t'", "label='L'", "domain='d'", "url='https://e.org/a.mp3'",
        "length='12'", "text='News'", "src='x'", "x:rel='via'", "x:y='z'", "version='2.0'", "start='0'",
    )),
    max_size=3,
    unique_by=lambda attribute: attribute.partition("=")[0],
)
LEAVES = st.sampled_from((
    "title link guid id description summary content content:encoded author dc:creator pubDate updated published "
    "dc:date category dc:subject media:title media:description media:keywords itunes:keywords itunes:author "
    "itunes:summary itunes:subtitle enclosure tags rights language ttl source contributor name email uri abstract "
    "x:unknown unknown media:thumbnail creativeCommons:license comments a:link a:title image created "
    "slash:comments thr:total"
).split())
PARENTS = st.sampled_from((
    "author media:group media:content x:box box image source contributor itunes:owner title content textinput item "
    "itunes:category summary"
).split())
XHTML = st.sampled_from((
    "<div xmlns='http://www.w3.org/1999/xhtml'>{}</div>", "<div xmlns='http://www.w3.org/1999/xhtml'><p>{}</p> x</div>",
    "<div xmlns='http://www.w3.org/1999/xhtml'>{}</div><div>2</div>", "<p title='&quot;'>{}<br/></p>", "{}",
))
# fmt: on


@st.composite
def leaves(draw: st.DrawFn) -> str:
    name, text = draw(LEAVES), draw(TEXTS)
    attributes = draw(ATTRIBUTES)
    if "type='xhtml'" in attributes:
        text = draw(XHTML).format(text)
    return f"<{' '.join([name, *attributes])}>{text}</{name}>"


@st.composite
def elements(draw: st.DrawFn) -> str:
    if draw(st.integers(0, 3)):
        return draw(leaves())
    name = draw(PARENTS)
    inside = "".join(draw(st.lists(leaves(), max_size=3)))
    return f"<{' '.join([name, *draw(ATTRIBUTES)])}>{inside}</{name}>"


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Feeds of all kinds, whose elements stand where they should not."""
    spaces = (
        "xmlns:content='http://purl.org/rss/1.0/modules/content/' xmlns:dc='http://purl.org/dc/elements/1.1/' "
        "xmlns:media='http://search.yahoo.com/mrss/' xmlns:itunes='http://www.itunes.com/dtds/podcast-1.0.dtd' "
        "xmlns:x='urn:x' xmlns:a='http://www.w3.org/2005/Atom' xmlns:slash='http://purl.org/rss/1.0/modules/slash/' "
        "xmlns:creativeCommons='http://backend.userland.com/creativeCommonsRssModule'"
    )
    head = "".join(draw(st.lists(elements(), max_size=4)))
    tail = "".join(draw(st.lists(elements(), max_size=1)))
    bodies = draw(st.lists(st.lists(elements(), max_size=7), max_size=3))
    root_attributes = " ".join(draw(ATTRIBUTES))
    match draw(st.sampled_from(["rss", "atom", "atom03", "rdf"])):
        case "rss":
            items = "".join(f"<item>{''.join(body)}</item>" for body in bodies)
            return f"<rss {spaces} {root_attributes}><channel>{head}{items}{tail}</channel></rss>"
        case "rdf":
            items = "".join(f"<item rdf:about='urn:{n}'>{''.join(body)}</item>" for n, body in enumerate(bodies))
            return (
                (
                    "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' "
                    f"xmlns='http://purl.org/rss/1.0/' {spaces.replace('xmlns:a=', 'xmlns:b=').replace('a:', 'b:')}>"
                    f"<channel>{head}</channel>{items}</rdf:RDF>"
                )
                .replace("<a:", "<b:")
                .replace("</a:", "</b:")
            )
        case kind:
            space = "http://www.w3.org/2005/Atom" if kind == "atom" else "http://purl.org/atom/ns#"
            items = "".join(f"<entry>{''.join(body)}</entry>" for body in bodies)
            return f"<feed xmlns='{space}' {spaces} {root_attributes}>{head}{items}{tail}</feed>"
