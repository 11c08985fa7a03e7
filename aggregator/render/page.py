"""The public pages as HTML. Never holds a script, a style attribute or an address outside http(s).

Every page takes the values of `model.shown`, the site and the templates.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import cache
from hashlib import blake2b
from html import unescape
from importlib import resources
from itertools import groupby
from typing import Any

from markupsafe import Markup, escape

from aggregator import __version__
from aggregator.model.entry import Entry
from aggregator.model.language import get_primary
from aggregator.model.settings import Site
from aggregator.model.shown import (
    EntryPage,
    IssuePage,
    RiverPage,
    StoriesPage,
    StoryPage,
)
from aggregator.model.tag import Tag
from aggregator.render.idiom import Idiom
from aggregator.render.links import get_root
from aggregator.render.tagnames import get_name, list_related
from aggregator.render.templates import Templates
from aggregator.render.words import cut_text

#: Stories shown with their excerpts; the rest are one line each.
FULL_STORIES = 10
#: Languages that the front page leads to, and tags beside a story.
MAX_LANGUAGES, RELATED = 8, 14
_ASSETS = ("style.css", "forms.css", "icon.svg")
#: As `pipeline.clean` writes them.
_IMAGE = re.compile(r'<img(?: [a-z]++="[^"]*+")*+>')
#: Of our own style sheet, which has no quoted text with such marks.
_COMMENT = re.compile(r"/\*[^*]*+\*/")
_AROUND_MARK = re.compile(r"[ \n]*([{};,])[ \n]*")
_ALT = re.compile(r' alt="([^"]*+)"')


@cache
def get_assets() -> Mapping[str, bytes]:
    """File name with the hash of its content -> content, to be served for ever under ``/static/``."""
    return dict(load_assets(_ASSETS).values())


@cache
def load_assets(names: tuple[str, ...]) -> Mapping[str, tuple[str, bytes]]:
    """Plain file name -> hashed file name and content."""
    folder = resources.files("aggregator").joinpath("data")
    assets = {}
    for name in names:
        data = folder.joinpath(name).read_bytes()
        if name.endswith(".css"):
            data = _pack_style(data.decode()).encode()
        stem, _, suffix = name.partition(".")
        assets[name] = (f"{stem}-{blake2b(data, digest_size=6).hexdigest()}.{suffix}", data)
    return assets


def _pack_style(text: str) -> str:
    """A style sheet without its comments and what is there for our eyes only: every new reader waits for it."""
    lines = (line.strip() for line in _COMMENT.sub("", text).splitlines())
    packed = _AROUND_MARK.sub(r"\1", "\n".join(filter(None, lines)))
    return packed.replace(": ", ":").replace(";}", "}")


def render_front(page: StoriesPage, *, site: Site, templates: Templates) -> str:
    """``/``: this week's stories, then every entry by day."""
    say = get_idiom(site)
    return render_page(
        "front.html",
        site,
        templates,
        page=page,
        days=group_days(page.river, say),
        full=FULL_STORIES,
        languages=_name_languages(page.languages, say)[:MAX_LANGUAGES],
    )


def render_tag(page: StoriesPage, *, site: Site, templates: Templates) -> str:
    """``/tags/TAG``: the same for one tag, with a chart of its last weeks."""
    days = group_days(page.river, get_idiom(site))
    end = page.weeks_end or page.window_end
    since, until = end - timedelta(weeks=len(page.by_week)), end - timedelta(seconds=1)
    related = [tag for tag in _list_related(page) if tag != page.tag]
    return render_page(
        "tag.html", site, templates, page=page, days=days, full=FULL_STORIES, since=since, until=until, related=related
    )


def render_language(page: StoriesPage, *, site: Site, templates: Templates) -> str:
    """``/lang/LL``: the same for what is told in one language."""
    say = get_idiom(site)
    days = group_days(page.river, say)
    name = say.own_name(page.language) or page.language
    return render_page(
        "lang.html",
        site,
        templates,
        page=page,
        days=days,
        full=FULL_STORIES,
        called=name,
        related=_list_related(page),
    )


def _list_related(page: StoriesPage) -> tuple[Tag, ...]:
    return list_related([entry for story in page.stories for entry in story.entries], page.tags, RELATED)


def render_river(page: RiverPage, *, site: Site, templates: Templates) -> str:
    """``/before/ID``, and the same below a tag's or a language's page: older entries by day."""
    say = get_idiom(site)
    first, name = "/", ""
    if page.tag is not None:
        first, name = f"/tags/{page.tag.slug}", get_name(page.tag, site.language)
    elif page.language:
        first, name = f"/lang/{page.language}", say.own_name(page.language) or page.language
    days = group_days(page.river, say)
    return render_page("before.html", site, templates, page=page, days=days, first=first, called=name)


def render_entry(page: EntryPage, *, site: Site, templates: Templates) -> str:
    """``/entries/ID``. ``page.content_html`` comes from `pipeline.clean`: shown as it is, but for its pictures."""
    return render_page("entry.html", site, templates, page=page, content=describe_images(page.content_html))


def describe_images(content_html: str) -> Markup:
    """What `pipeline.clean` made, with words in place of its pictures."""
    return Markup(_IMAGE.sub(_describe_image, content_html))


def _describe_image(image: re.Match[str]) -> str:
    """The words that stand for a picture: to load it would tell its host who reads what, so the policy forbids it."""
    alt = _ALT.search(image[0])
    return str(escape(unescape(alt[1]))) if alt else ""


def render_story(page: StoryPage, *, site: Site, templates: Templates) -> str:
    """``/stories/ID``: all its entries in the order they came, and what each adds."""
    say = get_idiom(site)
    entries = page.story.entries
    counted = Counter(get_primary(entry.language) for entry in entries)
    talk = max(entries, key=lambda entry: (entry.discussion or 0, -entry.id))
    return render_page(
        "story.html",
        site,
        templates,
        page=page,
        languages=_name_languages(sorted(counted.items(), key=lambda one: (-one[1], one[0])), say),
        talk=talk if talk.discussion else None,
        related=list_related(entries, page.tags, RELATED),
    )


def _name_languages(counted: Iterable[tuple[str, int]], say: Idiom) -> list[tuple[str, str, int]]:
    """Code, the language's own name, count; what has no name is left out."""
    named = ((code, say.own_name(code), count) for code, count in counted)
    return [(code, name, count) for code, name, count in named if name]


def render_issue(page: IssuePage, *, site: Site, templates: Templates) -> str:
    """``/issues/NEWSLETTER/SLUG``: the frozen body (our own rendering) in the site's frame."""
    body = Markup(page.web_html)
    return render_page("issue.html", site, templates, page=page, body=body)


def render_error(site: Site, status: int, message: str, *, templates: Templates) -> str:
    """A plain page for what went wrong; ``message`` is a sentence for the reader and is escaped like all text."""
    return render_page("error.html", site, templates, status=status, message=message)


def render_page(name: str, site: Site, templates: Templates, **values: Any) -> str:
    """Template ``name`` with what every page knows: ``site``, ``root``, ``say``, ``assets``, ``version``, ``cut``."""
    return templates.render(
        name,
        site=site,
        root=get_root(site),
        say=get_idiom(site),
        assets={plain: hashed for plain, (hashed, _) in load_assets(_ASSETS).items()},
        version=__version__,
        cut=cut_text,
        **values,
    )


def get_idiom(site: Site) -> Idiom:
    """How the site says dates, numbers and names of languages."""
    return Idiom(language=site.language, timezone=site.timezone)


def group_days(river: Iterable[Entry], say: Idiom) -> list[tuple[Entry, list[Entry]]]:
    """The river by calendar day of the site's zone: the day's first entry (for its date), and all of them."""
    days = [list(group) for _, group in groupby(river, key=lambda entry: say.local_date(entry.effective_at))]
    return [(day[0], day) for day in days]
