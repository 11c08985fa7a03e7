"""An issue as mail: MJML from a Jinja template made into HTML, a plain-text part, and the archive's body.

Only plain text enters the MJML, escaped by the template, and only http(s) addresses: a feed cannot add markup to it.
The same bytes go to everybody who wishes the same; what is personal are markers (`model.newsletter.TOKENS`) that the
mailer replaces. Never loads a font, a picture or anything else from afar. Never guards against a template that does not
end: `typesetter` does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from aggregator.errors import RenderError
from aggregator.model.newsletter import (
    MAX_MAIL_HTML_BYTES,
    PREFERENCES_TOKEN,
    UNSUBSCRIBE_TOKEN,
    ComposedIssue,
    IssueEdits,
    RenderedIssue,
)
from aggregator.model.settings import Site
from aggregator.model.subscriber import Wishes
from aggregator.model.tag import Tag
from aggregator.render import introduction as words_of_editor
from aggregator.render.idiom import Idiom
from aggregator.render.links import get_root
from aggregator.render.mjml import MjmlFault, make_html
from aggregator.render.subject import UNEDITED, make_preheader, make_subject
from aggregator.render.templates import Templates
from aggregator.render.variants import NO_WISHES, choose_topics, group_stories, narrow_issue
from aggregator.render.words import cut_text

#: HTML and text together: as base64, the largest that they can become, no mail is over 150 KB then.
MAX_MAIL_BYTES = 107_000
_REMOTE = re.compile(
    r"""<(?:img|link|script|iframe|video|audio|source|object|embed|form|input)\b[^>]*+>|@import\b[^;<]*+|url\([^)]*+\)"""
    r"""|\bbackground="[^"]*+\"""",
    re.IGNORECASE,
)


def render_issue(
    issue: ComposedIssue,
    *,
    site: Site,
    tags: Mapping[str, Tag],
    templates: Templates,
    archive_url: str,
    edits: IssueEdits = UNEDITED,
    wishes: Wishes = NO_WISHES,
) -> RenderedIssue:
    """All that is frozen of one variant of an issue; ``archive_url`` is its public, absolute address.

    Without a story about what is wished both parts of the mail are empty. Raises RenderError.
    """
    narrowed = narrow_issue(issue, wishes)
    if narrowed is None:
        return render_nothing(wishes)
    return render_narrowed(
        narrowed, site=site, tags=tags, templates=templates, archive_url=archive_url, edits=edits, wishes=wishes
    )


def render_nothing(wishes: Wishes) -> RenderedIssue:
    """For those about whose topics the issue has no story: nothing is mailed."""
    return RenderedIssue(variant=wishes.variant, subject="", preheader="", mail_html="", mail_text="", web_html="")


def render_narrowed(
    issue: ComposedIssue,
    *,
    site: Site,
    tags: Mapping[str, Tag],
    templates: Templates,
    archive_url: str,
    edits: IssueEdits,
    wishes: Wishes,
) -> RenderedIssue:
    """The same for what `variants.narrow_issue` made of an issue, as it stands. Raises RenderError."""
    values = _collect_values(issue, site, tags, archive_url, edits)
    values["topics"] = [tags[slug] for slug in choose_topics(issue.newsletter, wishes) if slug in tags]
    name = issue.newsletter.template
    text_name = get_text_name(name, templates)
    mail = values | {"introduction": words_of_editor.make_mail_html(edits.introduction)}
    text = values | {"introduction": words_of_editor.make_text(edits.introduction)}
    web = values | {"introduction": words_of_editor.make_web_html(edits.introduction), "root": get_root(site)}
    rendered = RenderedIssue(
        variant=wishes.variant,
        subject=values["subject"],
        preheader=values["preheader"],
        mail_html=_render_html(templates, name, mail),
        mail_text=_tidy(templates.render(text_name, **text)),
        web_html="" if wishes.variant else templates.render("issue_body.html", **web),
    )
    _check_tokens(rendered, name, text_name)
    return rendered


def get_text_name(name: str, templates: Templates) -> str:
    """The template of the text part that goes with the MJML template ``name``: its twin, else the shipped one."""
    twin = f"{name.removesuffix('.mjml')}.txt"
    return twin if templates.has(twin) else "newsletter.txt"


def too_large(rendered: RenderedIssue) -> bool:
    """Whether the mail is over what mail programs show whole: move a story out and render again."""
    html, text = len(rendered.mail_html.encode()), len(rendered.mail_text.encode())
    return html > MAX_MAIL_HTML_BYTES or html + text > MAX_MAIL_BYTES


def find_remote(mail_html: str) -> tuple[str, ...]:
    """What an editor's template lets each reader's program load or send, shortened; the shipped one has none."""
    found = (" ".join(match[0].split()) for match in _REMOTE.finditer(mail_html))
    return tuple(dict.fromkeys(cut_text(text, 80) for text in found))


def _collect_values(
    issue: ComposedIssue, site: Site, tags: Mapping[str, Tag], archive_url: str, edits: IssueEdits
) -> dict[str, Any]:
    say = Idiom(language=issue.newsletter.language, timezone=issue.newsletter.timezone)
    return {
        "issue": issue,
        "site": site,
        "tags": tags,
        # Links in a mail are absolute; the templates' pieces put ``root`` before every path of ours.
        "root": site.url,
        "say": say,
        "subject": make_subject(issue, edits),
        "preheader": make_preheader(issue),
        "archive_url": archive_url,
        "unsubscribe_url": Markup(UNSUBSCRIBE_TOKEN),
        "preferences_url": Markup(PREFERENCES_TOKEN),
        "groups": group_stories(issue.top, issue.newsletter.sections, tags),
        "story_count": len(issue.top) + len(issue.brief) + len(issue.more),
        "cut": cut_text,
    }


def _render_html(templates: Templates, name: str, values: Mapping[str, Any]) -> str:
    mjml = templates.render(name, **values)
    try:
        return make_html(mjml)
    except MjmlFault as fault:
        place = templates.find_place(name, mjml, fault.offset, **values)
        if not place and fault.offset >= 0:
            place = f"{name}: line {mjml.count(chr(10), 0, fault.offset) + 1} of what it renders to"
        raise RenderError(f"{place or name}: {fault.reason}") from fault


def _check_tokens(rendered: RenderedIssue, name: str, text_name: str) -> None:
    """A mail without a way out must not leave, and one that was made of nothing neither."""
    if UNSUBSCRIBE_TOKEN not in rendered.mail_html:
        raise RenderError(f"{name}: the mail has no link to unsubscribe: use {{{{ unsubscribe_url }}}}")
    if UNSUBSCRIBE_TOKEN not in rendered.mail_text:
        raise RenderError(f"{text_name}: the text has no address to unsubscribe: use {{{{ unsubscribe_url }}}}")


def _tidy(text: str) -> str:
    """No blank at the end of a line, no more than one empty line, one line end at the end."""
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip("\n") + "\n"
