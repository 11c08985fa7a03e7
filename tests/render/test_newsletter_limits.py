"""Templates of the editor's: whatever they do, they cost a child process and a word that names file and line."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from aggregator.errors import RenderError
from aggregator.model.ids import StoryId
from aggregator.model.newsletter import MAX_MAIL_HTML_BYTES, ComposedIssue, IssueEdits
from aggregator.render.mjml import MjmlFault, make_html
from aggregator.render.newsletter import MAX_MAIL_BYTES
from aggregator.render.templates import Templates, load_templates
from aggregator.typesetter import Limits, SetIssue, set_issue
from tests.render.samples import COMPOSED, NEWSLETTER, SITE, STORIES, TAGS, with_lead

SHIPPED = Path(__file__).resolve().parents[2] / "templates" / "newsletter.mjml"
QUICK = Limits(seconds=20, cpu_seconds=1)
WAY_OUT = '<mj-text><a href="{{ unsubscribe_url }}">Out</a></mj-text>'
CHOICES = replace(NEWSLETTER, topics=("chips", "regulation", "funding"), languages=("ja", "en"), sections=("chips",))


def set_it(
    templates: Templates,
    issue: ComposedIssue = COMPOSED,
    variants: Sequence[str] = (),
    limits: Limits = QUICK,
    edits: IssueEdits = IssueEdits(),  # noqa: B008  (frozen)
) -> SetIssue:
    return set_issue(
        issue,
        edits=edits,
        variants=variants,
        site=SITE,
        tags=TAGS,
        templates=templates,
        archive_url=f"{SITE.url}/issues/weekly/2025-W49",
        limits=limits,
    )


def frame(inside: str) -> str:
    return f"<mjml><mj-body><mj-section><mj-column>\n{WAY_OUT}\n{inside}\n</mj-column></mj-section></mj-body></mjml>"


def shipped(old: str, new: str) -> str:
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    return text.replace(old, new, 1)


BROKEN = {
    "syntax": (shipped("{% endfor %}", "{% endfo %}"), r"newsletter\.mjml:\d+: .*'endfo'"),
    "undefined": (shipped("{{ subject }}", "{{ subjekt }}"), r"newsletter\.mjml:\d+: .*'subjekt' is undefined"),
    "unknown filter": (shipped("{{ subject }}", "{{ subject|twice }}"), r"newsletter\.mjml:\d+: .*filter.*'twice'"),
    "raises": (frame("{{ 1 / 0 }}"), r"newsletter\.mjml:3: ZeroDivisionError"),
    "reaches out": (frame("{{ ''.__class__.__mro__ }}"), r"newsletter\.mjml:3: SecurityError"),
    "includes itself": (frame("{% include 'newsletter.mjml' %}"), r"newsletter\.mjml:3: RecursionError"),
    "endless": (
        frame("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
        r"newsletter\.mjml:3: TimeoutError: it does not end",
    ),
    "hungry": (frame("{{ 'x' * 3000000000 }}"), r"newsletter\.mjml:3: MemoryError"),
    "huge": (frame("{% for a in range(90000) %}{{ 'x' * 60 }}{% endfor %}"), r"newsletter\.mjml: .*bytes of MJML"),
    "mj-raw left open": (frame("<mj-raw><div></mj-raw>"), r"newsletter\.mjml:3: <div> is not closed before </mj-raw>"),
    "never closed": (
        shipped('<mj-text css-class="t" padding="18px 24px 0">', '<mj-text css-class="t"><b>'),
        r"newsletter\.mjml:\d+: <b> is not closed before </mj-text>",
    ),
    "deep": (frame(f"<mj-text>{'<b>' * 10_000}x{'</b>' * 10_000}</mj-text>"), r"newsletter\.mjml:3: more than 200"),
    "mj-include": (frame('<mj-include path="newsletter.mjml" />'), r"newsletter\.mjml:3: mj-include is not offered"),
    "unknown element": (frame("\n<mj-foo>x</mj-foo>"), r"newsletter\.mjml:4: <mj-foo> is no element"),
    "refused by the engine": (
        shipped("</mj-attributes>", "</mj-attributes>\n<mj-html-attributes></mj-html-attributes>"),
        r"newsletter\.mjml:\d+: not MJML",
    ),
    "bare <": (frame("\n\n<mj-text>1 < 2</mj-text>"), r"newsletter\.mjml:5: a < that begins no tag"),
    "not MJML": ("<p>not a mail</p>", r"newsletter\.mjml:1: not MJML"),
    "no way out": (frame("").replace("{{ unsubscribe_url }}", "#"), r"newsletter\.mjml: .*no link to unsubscribe"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_template_is_named_with_its_line(tmp_path: Path, name: str) -> None:
    """And this process, which stands for the daemon, lives on."""
    text, message = BROKEN[name]
    (tmp_path / "newsletter.mjml").write_text(text, encoding="utf-8")

    with pytest.raises(RenderError, match=message):
        set_it(load_templates([tmp_path]))


def test_the_line_is_that_of_the_piece_where_the_fault_stands(tmp_path: Path) -> None:
    """Not of the template that imports it."""
    pieces = SHIPPED.with_name("newsletter_parts.mjml").read_text(encoding="utf-8")
    line = pieces[: pieces.index("</mj-text>", pieces.index("macro story("))].count("\n") + 1
    (tmp_path / "newsletter_parts.mjml").write_text(pieces.replace('<mj-text css-class="t{%', '<mj-txt css-class="t{%'))

    with pytest.raises(RenderError, match=rf"^newsletter_parts\.mjml:{line}: </mj-text> where </mj-txt> was expected"):
        set_it(load_templates([tmp_path]))


def test_a_child_that_dies_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the engine takes the process along."""
    (tmp_path / "newsletter.mjml").write_text(SHIPPED.read_text())
    dying = f"import os; os.kill(os.getpid(), {signal.SIGSEGV:d})"
    monkeypatch.setattr("aggregator.typesetter._START", dying)

    with pytest.raises(RenderError, match=r"newsletter\.mjml: rendering it died \(exit code -11"):
        set_it(load_templates([tmp_path]))


def test_a_child_that_waits_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended after its time."""
    (tmp_path / "newsletter.mjml").write_text(SHIPPED.read_text())
    monkeypatch.setattr("aggregator.typesetter._START", "import signal; signal.pause()")

    with pytest.raises(RenderError, match=r"took more than 0\.2 seconds"):
        set_it(load_templates([tmp_path]), limits=Limits(seconds=0.2))


@pytest.mark.parametrize("depth", [150, 250])
def test_the_engine_never_sees_what_kills_it(depth: int) -> None:
    """Counted before it is called, in whatever process."""
    text = f"<mjml><mj-body><mj-section><mj-column><mj-text>{'<b>' * depth}x{'</b>' * depth}"
    mjml = f"{text}</mj-text></mj-column></mj-section></mj-body></mjml>"

    if depth < 200:
        assert make_html(mjml).count("<b>") == depth
    else:
        with pytest.raises(MjmlFault, match="inside one another"):
            make_html(mjml)


def test_a_child_sets_the_same_as_this_process(tmp_path: Path) -> None:
    """Every variant, to the byte, although it is another interpreter."""
    (tmp_path / "newsletter.mjml").write_text(SHIPPED.read_text())
    issue, variants = replace(COMPOSED, newsletter=CHOICES), ("ja|", "|chips", "ja|chips regulation")
    edits = IssueEdits(introduction="Read **this** first.")

    own = set_it(load_templates([tmp_path]), issue, variants, limits=Limits(), edits=edits)
    assert own == set_it(load_templates(), issue, variants, edits=edits)
    assert [rendered.variant for rendered in own.renderings] == ["", *variants]


def test_what_does_not_fit_moves_to_the_web() -> None:
    """The lowest stories of each variant, by itself, until the mail is small enough; the order stays."""
    long = with_lead(STORIES[1], title="Pneumonoultramicroscopic " * 40, excerpt="Silicovolcanoconiosis " * 60)
    many = tuple(replace(long, id=StoryId(1000 + number)) for number in range(80))
    newsletter = replace(CHOICES, topics=("open-weights",), top_stories=50, brief_stories=30)
    issue = replace(COMPOSED, newsletter=newsletter, top=many[:50], brief=many[50:], more=(), developing=())
    found = set_it(load_templates(), issue, ("|open-weights",))

    for rendered in found.renderings:
        assert len(rendered.mail_html.encode()) <= MAX_MAIL_HTML_BYTES
        assert len(rendered.mail_html.encode()) + len(rendered.mail_text.encode()) <= MAX_MAIL_BYTES
        assert len(rendered.mail_html.encode()) > 60_000
    assert (*found.issue.top, *found.issue.brief, *found.issue.more) == many
    assert found.issue.more


def test_a_mail_that_cannot_be_made_small_is_refused() -> None:
    """An introduction is not shortened behind the editor's back."""
    with pytest.raises(RenderError, match="too large even with one story"):
        set_it(load_templates(), edits=IssueEdits(introduction="word " * 20_000))
