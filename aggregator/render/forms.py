"""The pages with forms: subscribe, confirm, preferences, unsubscribe; and what we keep of people. Never a script.

Every page is for one person or one moment: none may be kept by a cache, and none says whether an address is known.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from aggregator.model import retention
from aggregator.model.newsletter import Newsletter, Rhythm
from aggregator.model.settings import Site
from aggregator.model.subscriber import Wishes
from aggregator.render.page import render_page
from aggregator.render.templates import Templates


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A form as the person left it."""

    address: str = ""
    slugs: Collection[str] = ()
    wishes: Wishes = field(default_factory=Wishes)


def render_subscribe(
    site: Site,
    *,
    templates: Templates,
    newsletters: Sequence[Newsletter],
    rhythms: Mapping[str, Rhythm],
    topics: Sequence[tuple[str, str]],
    stamp: str,
    filled: Filled,
    errors: Collection[str] = (),
) -> str:
    """``/subscribe``. ``rhythms``: by slug of the newsletter; ``topics``: slugs and names; ``errors``: names of fields
    that must be looked at again, or ``form`` when it is too old."""
    return render_page(
        "subscribe.html",
        site,
        templates,
        newsletters=newsletters,
        rhythms=rhythms,
        topics=topics,
        languages=list_languages(newsletters),
        stamp=stamp,
        filled=filled,
        errors=errors,
    )


def render_asked(site: Site, *, templates: Templates) -> str:
    """What everybody sees after the form, whatever the address."""
    return render_page("asked.html", site, templates, hours=retention.CONFIRM_HOURS)


def render_confirm(
    site: Site, *, templates: Templates, standing: str, kind: str, titles: Sequence[str], address: str
) -> str:
    """``/confirm/TOKEN``."""
    values = {"standing": standing, "kind": kind, "titles": titles, "reader": address}
    return render_page("confirm.html", site, templates, **values)


def render_preferences(
    site: Site,
    *,
    templates: Templates,
    newsletters: Sequence[Newsletter],
    topics: Sequence[tuple[str, str]],
    filled: Filled,
    reader: str,
    gets_mail: bool = True,
    said: str = "",
    errors: Collection[str] = (),
) -> str:
    """``/preferences/TOKEN``. ``said``: what was just done: save, leave, change, forget; ``capped``: not asked, it was
    too often; ``ask``: erase, really?"""
    return render_page(
        "preferences.html",
        site,
        templates,
        newsletters=newsletters,
        topics=topics,
        languages=list_languages(newsletters),
        filled=filled,
        reader=reader,
        gets_mail=gets_mail,
        said=said,
        errors=errors,
    )


def render_unsubscribe(
    site: Site,
    *,
    templates: Templates,
    newsletter_title: str,
    done: bool = False,
    how: str = "one",
    several: bool = False,
) -> str:
    """``/unsubscribe/TOKEN``: asks with buttons that post to the same address; ``done``: says that it is done, and
    ``how``: one newsletter, all of ``several``, or taken back (undo)."""
    values = {"newsletter_title": newsletter_title, "done": done, "how": how, "several": several}
    return render_page("unsubscribe.html", site, templates, **values)


def render_privacy(site: Site, *, templates: Templates) -> str:
    """``/privacy``."""
    return render_page("privacy.html", site, templates, kept=retention)


def list_languages(newsletters: Sequence[Newsletter]) -> list[str]:
    """That may be chosen; empty where there is no choice."""
    offered = {language for one in newsletters for language in (one.language, *one.languages) if one.languages}
    return sorted(offered)
