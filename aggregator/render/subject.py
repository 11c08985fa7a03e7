"""What an inbox shows of an issue: its subject and the line after it. Never longer than an inbox shows.

The editor's own words win, then the newsletter's pattern, then the first headline.
"""

from __future__ import annotations

from collections.abc import Sequence

from aggregator.errors import RenderError
from aggregator.model.newsletter import ComposedIssue, IssueEdits
from aggregator.model.story import Story
from aggregator.render.words import count_columns, cut_text, get_headline, keep_legal

#: Columns; about what a telephone shows.
SUBJECT_COLUMNS = 50
#: What an editor wrote by hand is cut only where headers end.
MAX_SUBJECT_COLUMNS = 180
PREHEADER_COLUMNS = (40, 90)
UNEDITED = IssueEdits()


def make_subject(issue: ComposedIssue, edits: IssueEdits = UNEDITED) -> str:
    """One line; never empty. Raises RenderError for a pattern that cannot be filled."""
    if edits.subject.strip():
        return cut_text(_join_line(edits.subject), MAX_SUBJECT_COLUMNS)
    stories = _list_stories(issue)
    plain = get_headline(stories[0].lead) if stories else f"{issue.newsletter.title} {issue.slug}"
    line = _fill(issue, plain, len(stories) - len(issue.developing)) if issue.newsletter.subject else plain
    return cut_text(_join_line(line) or _join_line(plain), SUBJECT_COLUMNS)


def make_preheader(issue: ComposedIssue) -> str:
    """40 to 90 columns of what else is in it: the next headlines, then the newsletter's name when they are short."""
    shortest, longest = PREHEADER_COLUMNS
    text = ""
    lines = [get_headline(story.lead) for story in _list_stories(issue)[1:6]]
    for line in [*lines, keep_legal(issue.newsletter.title)]:
        text = f"{text}; {line}" if text else line
        if count_columns(text) >= shortest:
            break
    return cut_text(text, longest)


def _list_stories(issue: ComposedIssue) -> Sequence[Story]:
    return (*issue.top, *issue.brief, *issue.more, *issue.developing)


def _fill(issue: ComposedIssue, headline: str, stories: int) -> str:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    newsletter = issue.newsletter
    try:
        template = SandboxedEnvironment(undefined=StrictUndefined).from_string(newsletter.subject)
        return template.render(headline=headline, title=newsletter.title, issue=issue.slug, stories=stories)
    except Exception as error:
        raise RenderError(f"newsletters: {newsletter.slug}: subject: {type(error).__name__}: {error}") from error


def _join_line(text: str) -> str:
    return " ".join(keep_legal(text).split())
