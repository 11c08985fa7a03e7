"""Tries the pages with forms and the letters in all that they can say. Never mails, never touches the database; who is
asked is invented.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import get_args

from aggregator.model.settings import Site
from aggregator.model.subscriber import LetterKind, Wishes
from aggregator.pipeline.schedule import read_rhythm
from aggregator.render import forms
from aggregator.render.letters import write_letter_parts
from aggregator.render.templates import Templates
from aggregator.tasks.specimens import TAG, make_newsletter

_READER = "a…@example.org"
_LINK = "https://sample.example.org/confirm/sample"


def list_forms(site: Site, templates: Templates) -> Iterator[Callable[[], object]]:
    """What must render, one call each."""
    newsletter = make_newsletter()
    topics = ((TAG.slug, TAG.name),)
    filled = forms.Filled(address=_READER, slugs=(newsletter.slug,), wishes=Wishes(language="ja", topics=(TAG.slug,)))
    ask = partial(forms.render_subscribe, site, templates=templates, topics=topics, stamp="1.sample", filled=filled)
    ask = partial(ask, rhythms={newsletter.slug: read_rhythm(newsletter.schedule)})
    yield partial(ask, newsletters=())
    yield partial(ask, newsletters=(newsletter, newsletter))
    yield partial(ask, newsletters=(newsletter,), rhythms={newsletter.slug: read_rhythm("*/5 * * * *")})
    yield partial(ask, newsletters=(newsletter,), errors=("form", "newsletter", "address"))
    yield partial(forms.render_asked, site, templates=templates)
    yield partial(forms.render_privacy, site, templates=templates)
    confirm = partial(forms.render_confirm, site, templates=templates, titles=(newsletter.title,), address=_READER)
    for standing, kind in product(("open", "done", "expired"), ("confirm", "change")):
        yield partial(confirm, standing=standing, kind=kind)
    choose = partial(forms.render_preferences, site, templates=templates, topics=topics, newsletters=(newsletter,))
    for said in ("", "save", "leave", "change", "capped", "ask", "forget"):
        yield partial(choose, filled=filled, reader=_READER, said=said, errors=() if said else ("address",))
    yield partial(choose, filled=filled, reader=_READER, gets_mail=False)
    yield partial(choose, filled=forms.Filled(), reader="")
    leave = partial(
        forms.render_unsubscribe, site, templates=templates, newsletter_title=newsletter.title, several=True
    )
    yield leave
    for how in ("one", "all", "undo"):
        yield partial(leave, done=True, how=how)
    letter = partial(write_letter_parts, title=newsletter.title, site=site, language="", templates=templates)
    for letter_kind, link in product(get_args(LetterKind), ("", _LINK)):
        yield partial(letter, letter_kind, action_url=link, unsubscribe_url=link)
