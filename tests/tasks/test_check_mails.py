"""Every newsletter's mail is tried before an issue needs it: what is broken, and what had better not be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aggregator.model.newsletter import Newsletter
from aggregator.model.settings import CombinedSettings, FetchSettings, MailSettings, Settings
from aggregator.model.tag import TagRules
from aggregator.render.templates import Templates, load_templates
from aggregator.tasks.check import find_template_problems, find_template_warnings
from aggregator.tasks.check_mails import find_mail_problems
from tests.render.samples import NEWSLETTER, SITE

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
SHIPPED = Path(__file__).resolve().parents[2] / "templates"


def make_settings(*newsletters: Newsletter) -> Settings:
    return Settings(
        site=SITE,
        fetch=FetchSettings(),
        feeds=(),
        combined=CombinedSettings(),
        newsletters=newsletters,
        mail=MailSettings(sender="News <news@example.org>"),
        tag_rules=TagRules(),
    )


def find_problems(newsletter: Newsletter, templates: Templates) -> list[str]:
    return list(find_mail_problems(make_settings(newsletter), templates, NOW))


def own(folder: Path, name: str, old: str, new: str) -> Templates:
    """The shipped template with one thing changed."""
    text = (SHIPPED / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")
    return load_templates([folder])


@pytest.mark.parametrize("language", ["en", "ja", "ar", "de"])
def test_the_shipped_mail_stands_the_worst_in_every_language(language: str) -> None:
    """Titles that are markup, of one endless word, in Arabic, of illegal characters, or empty."""
    newsletter = replace(NEWSLETTER, language=language, languages=("en", "ja"), topics=("sample",))

    assert find_problems(newsletter, load_templates()) == []
    assert find_template_warnings(make_settings(newsletter), load_templates(), NOW) == ()


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "newsletter.mjml",
            "{{ subject }}",
            "{{ subjekt }}",
            "newsletter.mjml:7: UndefinedError: 'subjekt' is undefined",
        ),
        ("newsletter.txt", "{{ unsubscribe_url }}", "", "newsletter.txt: the text has no address to unsubscribe"),
        ("newsletter_parts.mjml", "cut(entry|headline, 220)", "entry.title|safe", "newsletter_parts.mjml:"),
        ("issue_body.html", "say.span(", "say.spin(", "issue_body.html:7: "),
    ],
)
def test_a_broken_one_is_refused_with_its_line(tmp_path: Path, name: str, old: str, new: str, message: str) -> None:
    """Whichever of the four it is."""
    problems = find_problems(NEWSLETTER, own(tmp_path, name, old, new))

    assert len(problems) == 1 and problems[0].startswith(message)


def test_only_the_language_in_which_it_breaks_need_be_offered(tmp_path: Path) -> None:
    """A newsletter in English that some read in Japanese."""
    templates = own(tmp_path, "newsletter.mjml", "{{ subject }}", "{{ 1 / 0 if say.language == 'ja' else subject }}")

    assert find_problems(NEWSLETTER, templates) == []
    (problem,) = find_problems(replace(NEWSLETTER, languages=("ja",)), templates)
    assert problem == "newsletter.mjml:7: ZeroDivisionError: division by zero"


def test_markup_that_is_let_through_is_a_problem(tmp_path: Path) -> None:
    """Well-formed, so that the engine would not mind it."""
    old = '<p{{ mark(entry.language) }} style="margin:12px 0 0;'
    new = '{% if "Ordinary" in entry.title %}<b>{{ entry.title[:33]|safe }}</b>{% endif %}' + old
    templates = own(tmp_path, "newsletter_parts.mjml", old, new.replace("[:33]", '[:entry.title.index("</i>") + 4]'))

    assert find_problems(NEWSLETTER, templates) == [
        "newsletter.mjml: what a feed says becomes markup: is there a |safe?"
    ]


def test_what_is_loaded_from_afar_is_a_warning(tmp_path: Path) -> None:
    """The editor may want it; each reader is told upon by it."""
    remote = (
        '<mj-image src="https://pixel.example/1.gif" width="1px" alt="" />',
        '<mj-raw><img src="https://pixel.example/2.gif" /></mj-raw>',
        '<mj-text><p style="background:url(https://pixel.example/3.gif)">x</p></mj-text>',
    )
    templates = own(tmp_path, "newsletter.mjml", "{% block footer %}", "{% block footer %}" + "".join(remote))
    settings = make_settings(NEWSLETTER)

    assert find_template_problems(settings, templates, NOW) == ()
    warnings = find_template_warnings(settings, templates, NOW)
    assert len(warnings) == 3
    for number, warning in enumerate(warnings, start=1):
        assert warning.startswith("newsletter.mjml: each reader's program is made to ask for ")
        assert f"pixel.example/{number}.gif" in warning


def test_a_font_from_afar_and_missing_preferences_are_warnings(tmp_path: Path) -> None:
    """One line for each."""
    (tmp_path / "newsletter.txt").write_text("{{ unsubscribe_url }}")
    font = "<mj-style>@import url(https://fonts.example/css?family=Lora);</mj-style>"
    warnings = find_template_warnings(
        make_settings(NEWSLETTER), own(tmp_path, "newsletter.mjml", "</mj-head>", f"{font}</mj-head>"), NOW
    )

    assert len(warnings) == 2
    assert "@import url(https://fonts.example/css?family=Lora)" in warnings[0]
    assert warnings[1] == "newsletter.txt: no link to the preferences: use {{ preferences_url }}"
