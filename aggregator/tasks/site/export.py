"""Every file of the static site, one after the other. Never writes one.

What stands in the files is what the web server answers: the same pages, by the same paths. Left out are search, forms
and whatever depends on a query. Pages of stories and entries are made only when something that they show has changed.
"""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from zlib import crc32

from aggregator.app import PACKAGE, App
from aggregator.errors import RenderError
from aggregator.model.settings import Site
from aggregator.pipeline.tag import get_fingerprint
from aggregator.publish import File, Group
from aggregator.render import page as pages
from aggregator.render.links import get_root
from aggregator.storage import issues, stamps
from aggregator.storage.stamps import Stamps
from aggregator.tasks.site.found import HTML, Moved, Page
from aggregator.tasks.site.routes import find_page

FORMATS = (".atom", ".rss", ".json")
#: Of each list, so many older pages (``/before/ID``), each of 30 to 60 entries, and of each of its feeds so many older
#: documents: the last of them leads no further. Archives are published as far back as they go.
MAX_PAGES_BACK, MAX_DOCUMENTS_BACK = 12, 4
#: After so many days a page is made anew even if nothing is known to have changed.
DAYS_TRUSTED = 7
_BEFORE = "/before/"
_SELDOM = re.compile("/before/|/archive/")
#: Lists of a quiet tag, feed or language are made anew after so many hours: what they show moves with the clock.
HOURS_TRUSTED = 6
#: Stories and entries are not found by following links, but made for everything that is stored; search is not made.
_NOT_LISTED = re.compile(r"/(?:stories|entries)/[0-9]+$|/search\b")
#: What may belong to the lists of one tag, feed or language, and of which.
_GROUPED = re.compile(r"(/(?:tags|feeds|lang)/[^/]+)(/?)")
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_FOLDERS = {"tag": "tags", "feed": "feeds", "language": "lang"}
#: A link as templates and formats write it; in what others wrote each ``<`` and ``"`` is escaped.
_LINK = re.compile(rb'(<(?:a|link|atom:link)\b[^>]*\shref=")([^"]*)("[^>]*>)')
_NEXT, _NEWER = re.compile(rb'\srel="next"'), re.compile(rb'\srel="prev(?:ious)?"')
#: What feeds lead to that is not known otherwise.
_ONWARD = re.compile(rb'\srel="(?:next|prev-archive)"')
_PATH = re.compile(r"/[A-Za-z0-9._~%/-]*")
#: Made last, when all that they lead to is there.
_LAST = (*(f"/feed{suffix}" for suffix in FORMATS), "/feeds.opml", "/")


def iter_site(app: App) -> Iterator[File | Group]:
    """Style sheets first, then new stories and entries, then the lists and feeds that lead to them with the front page
    at their end; last what has changed of stories and entries that were there before, which may take its time."""
    for name, body in pages.get_assets().items():
        yield _hold(f"static/{name}", body)
    # Nobody answers a form there.
    site = replace(app.settings.site, takes_subscribers=False)
    app = replace(app, settings=replace(app.settings, site=site))
    with app.db.read() as conn:
        found = stamps.list_stamps(conn, salt=_make_salt(app))
    yield from _iter_told(app, found, early=True)
    roots = {path: stamp for key, stamp in found.lists.items() if (path := _get_root_path(key))}
    yield from (_make_group(app, root, stamp) for root, stamp in roots.items())
    if page := _find(app, "/robots.txt"):
        yield _hold("robots.txt", page.body, gives_way=True)
    yield File(name="404.html", make=lambda: _make_missing(app), often=True, gives_way=True)
    yield Group(key="/", stamp="", make=lambda: _iter_others(app, frozenset(roots)))
    yield from _iter_told(app, found)


def count_told(app: App) -> int:
    """How many stories and entries there are, about: most of the files."""
    with app.db.read() as conn:
        return stamps.count(conn)


def _make_missing(app: App) -> bytes:
    return pages.render_error(app.settings.site, 404, "", templates=app.templates).encode()


def _iter_told(app: App, found: Stamps, *, early: bool = False) -> Iterator[File]:
    """A page for each story, the swallowed ones too, and for each entry."""
    today = int(app.now().timestamp()) // 86_400
    for kind, stamped in (("stories", found.stories), ("entries", found.entries)):
        for one in stamped:
            path = f"/{kind}/{one.id}"
            stamp = f"{one.stamp}-{(today + one.id) // DAYS_TRUSTED}"
            yield File(name=_guess_name(path), make=_make_later(app, path), stamp=stamp, early=early)


def _make_salt(app: App) -> str:
    """What every page depends on: the program, its templates and catalogues, and what the editor set."""
    whole = sha256(app.templates.get_fingerprint().encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        whole.update(path.read_bytes())
    settings = app.settings
    whole.update("".join(pages.get_assets()).encode())
    whole.update(get_fingerprint(settings.tag_rules).encode())
    for part in (settings.site, settings.combined, settings.newsletters, settings.interests, settings.lexicon):
        whole.update(repr(part).encode("utf-8", "surrogatepass"))
    return whole.hexdigest()


def _get_root_path(key: str) -> str:
    """``tag:openai`` -> ``/tags/openai``; empty for a language that no address can have."""
    kind, _, name = key.partition(":")
    return f"/{_FOLDERS[kind]}/{name}" if _NAME.fullmatch(name) else ""


def _make_group(app: App, root: str, stamp: str) -> Group:
    """All lists and feeds of one tag, feed or language."""
    hour = int(app.now().timestamp()) // 3_600
    # Each at an hour of its own, lest all of them be made at once.
    turn = (hour + crc32(root.encode()) % HOURS_TRUSTED) // HOURS_TRUSTED
    return Group(key=root, stamp=f"{stamp}-{turn}", make=_Lists(app, root=root).iter_files)


def _iter_others(app: App, roots: frozenset[str]) -> Iterator[File]:
    """All lists and feeds of no tag, feed or language: a group, lest one of them that cannot be made takes away what
    it led to."""
    yield from _Lists(app, others=roots).iter_files(_iter_starts(app))
    for path in _LAST:
        yield File(name=_guess_name(path), make=_make_later(app, path), often=True)


class _Lists:
    """Lists and feeds, found by following links from page to page, so that none of them leads nowhere: what begins with
    the path ``root``, or else all but what belongs to one of the roots ``others``."""

    def __init__(self, app: App, *, root: str = "", others: frozenset[str] = frozenset()) -> None:
        site = app.settings.site
        self._app = app
        self._root = root
        self._others = others
        self._url, self._prefix = site.url, get_root(site)
        self._seen = set(_LAST)
        self._waiting: deque[str] = deque()
        #: Of each list, how many older pages there are; of each of these, the newer one that led to it.
        self._back: Counter[tuple[str, str]] = Counter()
        self._newer: dict[str, str] = {}

    def iter_files(self, starts: Iterable[str] = ()) -> Iterator[File]:
        """Each list and feed once."""
        if not self._root:
            for path in _LAST:
                if page := _find_or_none(self._app, path):
                    self._wait_for(self._find_links(page.body, page), of=path)
        self._wait_for((self._root, *starts))
        while self._waiting:
            path = self._waiting.popleft()
            siblings = _list_siblings(path)
            try:
                page = _find(self._app, path)
            except RenderError as error:
                yield _fail(_guess_name(path), error)
                self._wait_for(siblings)
                continue
            if page is None or page.immutable:
                continue
            body = page.body
            if path in self._newer:
                body = _lead_back(body, self._newer[path], self._app.settings.site)
            beyond = self._wait_for(self._find_links(body, page), of=path)
            self._wait_for(siblings)
            yield _hold(_name(path, page), _cut_links(body, beyond), often=not _SELDOM.search(path))

    def _find_links(self, body: bytes, page: Page) -> list[str]:
        """The paths of our own that a page or feed leads to, in their order.

        Others may write any address of ours in a text, or as that of a post, and always in full. Links of our pages
        begin with the root of the site; in feeds only the feed itself, not an item, says where it goes on.
        """
        if page.content_type == HTML:
            tags = [tag for tag in _LINK.finditer(body) if _BEFORE not in tag[2].decode() or _NEXT.search(tag[0])]
            start, links = self._prefix, [tag[2].decode() for tag in tags]
        elif "json" in page.content_type:
            start, links = self._url, [json.loads(body).get("next_url", "")]
        else:
            start, links = self._url, [tag[2].decode() for tag in _LINK.finditer(body) if _ONWARD.search(tag[0])]
        paths = (link.removeprefix(start) for link in links if link.startswith(f"{start}/"))
        return list(dict.fromkeys(path for path in paths if _PATH.fullmatch(path)))

    def _wait_for(self, paths: Iterable[str], *, of: str = "") -> list[str]:
        """Look at them later, to which ``of`` leads; those that lie further back than is published are returned."""
        beyond = []
        for path in paths:
            if path in self._seen or _NOT_LISTED.match(path) or not self._is_ours(path):
                continue
            of_list, before, rest = path.partition(_BEFORE)
            if before:
                key = (of_list, rest.partition(".")[2])
                if self._back[key] >= (MAX_DOCUMENTS_BACK if key[1] else MAX_PAGES_BACK):
                    beyond.append(path)
                    continue
                self._back[key] += 1
                self._newer[path] = of
            self._seen.add(path)
            self._waiting.append(path)
        return beyond

    def _is_ours(self, path: str) -> bool:
        found = _GROUPED.match(path)
        if found is None:
            return not self._root and path != ""
        # Slugs may hold dots, as in `gpt-4.1.atom`.
        root = found[1] if found[2] else found[1].removesuffix(_get_suffix(found[1]))
        return root == self._root if self._root else root not in self._others


def _iter_starts(app: App) -> Iterator[str]:
    """Where to begin, should a page not name them all."""
    yield from ("/feed", "/tags/", "/feeds", "/issues/")
    with app.db.read() as conn:
        frozen = [(issue.newsletter, issue.slug) for issue in issues.list_issues(conn, states=issues.FROZEN)]
    yield from (f"/issues/{newsletter}" for newsletter in sorted({newsletter for newsletter, _ in frozen}))
    yield from (f"/issues/{newsletter}/{slug}" for newsletter, slug in frozen)


def _list_siblings(path: str) -> list[str]:
    """The same list in other formats, if there are any. Not of older pages: a feed has older documents of its own."""
    if _SELDOM.search(path):
        return []
    if suffix := _get_suffix(path):
        return [f"{path.removesuffix(suffix)}{other}" for other in FORMATS]
    return [] if path.endswith("/") else [f"{path}{suffix}" for suffix in FORMATS]


def _get_suffix(path: str) -> str:
    return next((suffix for suffix in FORMATS if path.endswith(suffix)), "")


def _lead_back(body: bytes, newer: str, site: Site) -> bytes:
    """Our pages lead to whatever stands above an entry; here it is the page that one came from."""

    def lead(tag: re.Match[bytes]) -> bytes:
        if not _NEWER.search(tag[0]):
            return tag[0]
        old = tag[2].decode()
        return tag[1] + f"{site.url if old.startswith(site.url) else get_root(site)}{newer}".encode() + tag[3]

    return _LINK.sub(lead, body)


def _cut_links(body: bytes, paths: Iterable[str]) -> bytes:
    """Without our links to older pages that are not published."""
    for path in paths:
        end = re.escape(path).encode() + b'"'
        leads = rb'(?=[^>]*\srel="next")[^>]*\shref="[^"]*' + end + rb"[^>]*>"
        pattern = rb"<a\b" + leads + rb".*?</a>|<(?:atom:)?link\b" + leads + rb'|"next_url":"[^"]*' + end + rb",?"
        body = re.sub(pattern, b"", body, flags=re.DOTALL)
    return body


def _find(app: App, path: str) -> Page | None:
    """The page; where it moved, the page it moved to, for files cannot redirect (its canonical link says where)."""
    found = find_page(app, path)
    if isinstance(found, Moved):
        found = find_page(app, found.path)
    return found if isinstance(found, Page) else None


def _find_or_none(app: App, path: str) -> Page | None:
    try:
        return _find(app, path)
    except RenderError:
        return None  # told when its own turn comes


def _make_later(app: App, path: str) -> Callable[[], bytes | None]:
    def make() -> bytes | None:
        page = _find(app, path)
        return page.body if page else None

    return make


def _hold(name: str, body: bytes, *, often: bool = True, gives_way: bool = False) -> File:
    return File(name=name, make=lambda: body, often=often, gives_way=gives_way)


def _fail(name: str, error: RenderError) -> File:
    def make() -> bytes:
        raise error

    return File(name=name, make=make)


def _name(path: str, page: Page) -> str:
    """``/tags/openai`` -> ``tags/openai/index.html``, so that any web server finds it by its path."""
    return _name_page(path) if page.content_type == HTML else path[1:]


def _guess_name(path: str) -> str:
    """The same for a page that is not made yet."""
    is_file = path.endswith((*FORMATS, ".opml"))
    return path[1:] if is_file else _name_page(path)


def _name_page(path: str) -> str:
    return f"{path.strip('/')}/index.html".lstrip("/")
