"""A letter's subject and both its parts, in the reader's language. Never sends."""

from __future__ import annotations

from dataclasses import dataclass

from aggregator.model.retention import CONFIRM_HOURS
from aggregator.model.settings import Site
from aggregator.model.subscriber import LetterKind
from aggregator.render.idiom import Idiom
from aggregator.render.templates import Templates


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenLetter:
    """Ready for a mail."""

    subject: str
    html: str
    text: str


def write_letter_parts(
    kind: LetterKind,
    *,
    title: str,
    action_url: str,
    unsubscribe_url: str,
    site: Site,
    language: str,
    templates: Templates,
) -> WrittenLetter:
    """``title``: of the newsletter or newsletters; the addresses are empty where there is nothing to do."""
    say = Idiom(language=language or site.language, timezone=site.timezone)
    values = {
        "kind": kind,
        "newsletter_title": title,
        "action_url": action_url,
        "unsubscribe_url": unsubscribe_url,
        "hours": CONFIRM_HOURS,
        "site": site,
        "say": say,
    }
    return WrittenLetter(
        subject=templates.render("letter_subject.txt", **values).strip(),
        html=templates.render("letter.html", **values),
        text=templates.render("letter.txt", **values),
    )
