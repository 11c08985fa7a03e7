"""Templates: what editors may do, and what feed text may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from aggregator.errors import RenderError
from aggregator.render.templates import load_templates


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")


def test_a_template_of_the_editor_wins_over_the_shipped_one(tmp_path: Path) -> None:
    """The first folder that has the name decides."""
    write(tmp_path, "error.html", "mine: {{ message }}")

    assert load_templates([tmp_path]).render("error.html", message="gone") == "mine: gone"


def test_a_folder_that_does_not_exist_is_no_mistake(tmp_path: Path) -> None:
    """Most editors have no templates of their own."""
    assert load_templates([tmp_path / "none"]).check() == ()


def test_every_shipped_template_compiles() -> None:
    """`check` finds nothing in what we ship."""
    assert load_templates().check() == ()


@pytest.mark.parametrize("name", ["page.html", "mail.mjml", "without_suffix"])
def test_values_are_escaped_in_every_kind_of_markup(tmp_path: Path, name: str) -> None:
    """Jinja's own rule would leave `.mjml` unescaped."""
    write(tmp_path, name, "<p>{{ text }}</p>")

    rendered = load_templates([tmp_path]).render(name, text="</p><mj-raw>&")

    assert rendered == "<p>&lt;/p&gt;&lt;mj-raw&gt;&amp;</p>"


def test_plain_text_is_not_escaped(tmp_path: Path) -> None:
    """An ampersand in the text part of a mail is an ampersand."""
    write(tmp_path, "mail.txt", "{{ text }}")

    assert load_templates([tmp_path]).render("mail.txt", text="R&D <b>") == "R&D <b>"


def test_template_syntax_in_a_value_stays_text(tmp_path: Path) -> None:
    """Feed text is a value, never a template."""
    write(tmp_path, "page.html", "{{ text }}")

    assert load_templates([tmp_path]).render("page.html", text="{{ 7*7 }}{% raw %}") == "{{ 7*7 }}{% raw %}"


def test_a_name_that_nobody_gave_is_an_error_with_file_and_line(tmp_path: Path) -> None:
    """A typing mistake must not become an empty place in a mail."""
    write(tmp_path, "page.html", "one\ntwo {{ tilte }}")

    with pytest.raises(RenderError, match=r"page\.html:2: .*'tilte' is undefined"):
        load_templates([tmp_path]).render("page.html", title="x")


def test_an_error_inside_an_included_template_names_that_one(tmp_path: Path) -> None:
    """The innermost template is where the editor must look."""
    write(tmp_path, "inner.html", "\n\n{{ missing }}")
    write(tmp_path, "outer.html", "{% include 'inner.html' %}")

    with pytest.raises(RenderError, match=r"inner\.html:3"):
        load_templates([tmp_path]).render("outer.html")


def test_a_missing_template_is_named() -> None:
    """The configuration may name a template that is not there."""
    with pytest.raises(RenderError, match=r"nowhere\.mjml"):
        load_templates().render("nowhere.mjml")


def test_a_template_cannot_reach_what_lies_behind_a_value(tmp_path: Path) -> None:
    """The sandbox: no classes, no globals, no environment."""
    write(tmp_path, "page.html", "{{ text.__class__.__mro__ }}")

    with pytest.raises(RenderError, match="unsafe"):
        load_templates([tmp_path]).render("page.html", text="x")


def test_check_reports_every_broken_template_with_its_line(tmp_path: Path) -> None:
    """All mistakes at once, each with file and line; files that are no templates are left alone."""
    write(tmp_path, "one.html", "fine\n{% if %}")
    write(tmp_path, "two.mjml", "{{ x | nofilter }}")
    write(tmp_path, "notes.md", "{% nothing to us")

    problems = load_templates([tmp_path]).check()

    assert [(Path(problem.file).name, problem.line) for problem in problems] == [("one.html", 2), ("two.mjml", 1)]
    assert "nofilter" in problems[1].message


def test_what_cannot_be_read_does_not_stop_the_fingerprint(tmp_path: Path) -> None:
    """One template or catalogue that is spoiled costs the pages that need it, not the whole export."""
    before = load_templates().get_fingerprint()
    (tmp_path / "front.html").write_bytes(b"\xff\xfe")
    spoiled = load_templates([tmp_path]).get_fingerprint()
    (tmp_path / "locale" / "ja" / "messages.po").mkdir(parents=True)
    unread = load_templates([tmp_path]).get_fingerprint()

    assert len({before, spoiled, unread}) == 3
    assert load_templates([tmp_path]).get_fingerprint() == unread
