"""An issue as mail: MJML from a Jinja template made into HTML, a plain-text part, and the archive's body.

Only plain text enters the MJML, escaped by the template, and only http(s) addresses: a feed cannot add markup to it.
The same bytes go to everybody; what is personal is one marker (`model.newsletter.UNSUBSCRIBE_TOKEN`) that the mailer
replaces. Never loads a font, a picture or anything else from afar.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from aggregator.errors import RenderError
from aggregator.model.newsletter import MAX_MAIL_HTML_BYTES, UNSUBSCRIBE_TOKEN, ComposedIssue, RenderedIssue
from aggregator.model.settings import Site
from aggregator.model.story import Story
from aggregator.model.tag import Tag
from aggregator.render.idiom import Idiom
from aggregator.render.links import get_root
from aggregator.render.templates import Templates
from aggregator.render.words import count_columns, cut_text, get_headline, keep_legal

#: Columns; about what a telephone shows.
SUBJECT_COLUMNS = 50
PREHEADER_COLUMNS = (40, 90)


def render_issue(
    issue: ComposedIssue, *, site: Site, tags: Mapping[str, Tag], templates: Templates, archive_url: str
) -> RenderedIssue:
    """All that is frozen of an issue; ``archive_url`` is its public, absolute address. Raises RenderError."""
    values = _collect_values(issue, site, tags, archive_url)
    name = issue.newsletter.template
    return RenderedIssue(
        subject=values["subject"],
        preheader=values["preheader"],
        mail_html=_make_html(templates.render(name, **values), name),
        mail_text=templates.render(f"{name.removesuffix('.mjml')}.txt", **values),
        web_html=templates.render("issue_body.html", **(values | {"root": get_root(site)})),
    )


def too_large(rendered: RenderedIssue) -> bool:
    """Whether the HTML part is over what mail programs show whole: move a story out and render again."""
    return len(rendered.mail_html.encode()) > MAX_MAIL_HTML_BYTES


def make_subject(issue: ComposedIssue) -> str:
    """The first story's headline, cut to what an inbox shows; the newsletter's own title when there is no story."""
    first = next(iter(_list_stories(issue)), None)
    line = get_headline(first.lead) if first else f"{issue.newsletter.title} {issue.slug}"
    return cut_text(keep_legal(line), SUBJECT_COLUMNS)


def make_preheader(issue: ComposedIssue) -> str:
    """40 to 90 columns of what else is in it: the next headlines, then the newsletter's name when they are short."""
    shortest, longest = PREHEADER_COLUMNS
    text = ""
    for line in [
        *(get_headline(story.lead) for story in _list_stories(issue)[1:6]),
        keep_legal(issue.newsletter.title),
    ]:
        text = f"{text}; {line}" if text else line
        if count_columns(text) >= shortest:
            break
    return cut_text(text, longest)


def _list_stories(issue: ComposedIssue) -> Sequence[Story]:
    return (*issue.top, *issue.brief, *issue.more)


def _collect_values(issue: ComposedIssue, site: Site, tags: Mapping[str, Tag], archive_url: str) -> dict[str, Any]:
    return {
        "issue": issue,
        "site": site,
        "tags": tags,
        # Links in a mail are absolute; the templates' pieces put ``root`` before every path of ours.
        "root": site.url,
        "say": Idiom(language=issue.newsletter.language, timezone=issue.newsletter.timezone),
        "subject": make_subject(issue),
        "preheader": make_preheader(issue),
        "archive_url": archive_url,
        "unsubscribe_url": Markup(UNSUBSCRIBE_TOKEN),
        "story_count": len(_list_stories(issue)),
        "cut": cut_text,
    }


def _make_html(mjml: str, name: str) -> str:
    """HTML of an MJML document. Comments go, but for those that Outlook reads."""
    from mjml import mjml2html

    try:
        html: str = mjml2html(mjml, disable_comments=True, fonts={})
    except ValueError as error:
        raise RenderError(f"{name}: not MJML: {error}") from error
    if "<mj-" in html:
        # An unclosed tag inside mj-raw makes the engine print the rest of the template as it stands.
        raise RenderError(f"{name}: part of it was not read as MJML (is a tag left open inside mj-raw?)")
    return html
