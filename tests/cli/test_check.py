"""``aggregator check`` and ``init``: every mistake at once, each with its place."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.program import Program, find_nobody
from tests.fixtures.smtp_server import SmtpServer

NEWSLETTER = {"slug": "weekly", "title": "AI Weekly", "schedule": "0 8 * * 1"}


def test_a_sound_installation_passes(program: Program) -> None:
    """On both databases, with the next three slots of each newsletter in its own zone."""
    program.configure(feeds=[{"url": "http://wire.example.com/feed.xml"}], interests={"openai": 2})

    result = program.run("check")

    assert (result.code, result.err) == (0, "")
    assert "schema current" in result.out
    assert "ok: templates: all render" in result.out
    assert result.out.count(" 08:00 CE") == 3


def test_interests_in_plain_words_are_shown_as_they_are_read(local: Program) -> None:
    """Each with its points and the words that it was made of; the editor's own points need no explanation."""
    text = "We care about OpenAI and robot arms. No celebrity gossip."
    local.configure(interests={"text": text, "words": {"Robot Arms": 0}, "anthropic": 1.5})
    out = local.run("check").out
    local.configure(interests=text)
    plain = local.run("check").out

    shown = out.partition("ok: interests: ")[2].splitlines()[1:4]
    assert [
        shown[0],
        shown[-1],
    ] == ['      +2 tag openai ("OpenAI")', '      -1 word celebrity gossip ("celebrity gossip")']
    assert "anthropic" not in out and "word robot arms" not in out
    assert '+1 word robot arms ("robot arms")' in plain


def test_init_writes_a_configuration_that_passes(local: Program) -> None:
    """And never writes over one."""
    made = local.run("init", "news")
    checked = local.run("check", "-c", "news/config.yaml")
    again = local.run("init", "news")

    assert (made.code, checked.code, again.code) == (0, 0, 2)
    assert again.err == "aggregator: news/config.yaml exists already\n"


def test_init_says_when_the_folder_cannot_be(local: Program) -> None:
    """A file stands where the folder should be."""
    (local.folder / "news").write_text("")

    result = local.run("init", "news")

    assert result.code == 2
    assert result.err.startswith("aggregator: news/config.yaml: cannot be written")


def test_mistakes_of_the_configuration_are_named_with_file_line_and_key(local: Program) -> None:
    """All of them in one run, whichever command it was."""
    local.config.write_text("site:\n  titel: News\n  url: nowhere\nfetch:\n  concurrency: many\n")

    for command in (["check"], ["fetch"], ["stats", "--json"]):
        result = local.run(*command)
        places = [line.split()[1] for line in result.err.splitlines()]
        assert (result.code, result.out) == (2, "")
        assert places == ["config.yaml:1:", "config.yaml:2:", "config.yaml:3:", "config.yaml:5:"]


@pytest.mark.parametrize("content", [b"", b"\0\1\2", b"- a\n- b\n", b"site: [", b"\xff\xfe", b"a: &a [*a]\n"])
def test_files_that_are_no_configuration(content: bytes, local: Program) -> None:
    """Empty, binary, a list, broken, not UTF-8, a snake that bites its tail: lines, never a traceback."""
    local.config.write_bytes(content)

    result = local.run("check")

    assert "Traceback" not in result.err
    assert result.code in (0, 2)
    assert result.code == 0 or result.err.startswith("aggregator: config.yaml")


def test_everything_is_looked_at_although_the_database_is_not_there(local: Program) -> None:
    """Database, lists, tags and templates fail in one run; the password is not shown."""
    (local.folder / "templates").mkdir()
    (local.folder / "templates" / "front.html").write_text("{% if %}")
    local.configure(
        feeds=[{"opml": "missing.opml"}, {"url": "http://wire.example.com/feed.xml", "tags": ["openai", "nonesuch"]}],
        database="postgresql://reader:hunter2@127.0.0.1:1/news",
        interests={"nonesuch-either": 2},
    )

    result = local.run("check")
    failed = [line.split(": ")[1] for line in result.err.splitlines()]

    assert result.code == 2
    assert failed == ["feeds", "tags", "templates", "database"]
    assert "missing.opml" in result.err
    assert "front.html" in result.err
    assert "Connection refused" in result.err
    assert "hunter2" not in result.err + result.out
    assert 'warning: tag "nonesuch" of http://wire.example.com/feed.xml is not in the taxonomy' in result.out


def test_an_unreachable_database_stops_other_commands_with_one_line(local: Program) -> None:
    """Connection refused on port 1."""
    local.configure(database="postgresql://reader:hunter2@127.0.0.1:1/news")

    for command in (["fetch"], ["entries", "list", "--json"], ["db", "check"], ["publish"]):
        result = local.run(*command)
        assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
        assert "Connection refused" in result.err
        assert "hunter2" not in result.err


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        (
            "newsletter.mjml",
            "<mjml><mj-body><mj-section></mj-body></mjml>",
            "newsletter.mjml:1: <mj-section> is not closed",
        ),
        ("newsletter.mjml", "{{ issue.nonesuch }}", "newsletter.mjml:1: UndefinedError"),
        ("newsletter.txt", "\n{{ 1 / 0 }}", "newsletter.txt:2: ZeroDivisionError"),
        ("front.html", "{{ page.nonesuch }}", "front.html:1: UndefinedError"),
        ("story.html", "{% include 'nonesuch.html' %}", "TemplateNotFound"),
        ("search.html", "{{ page.nonesuch }}", "search.html:1: UndefinedError"),
        ("feed_item.html", "{{ story.nonesuch }}", "feed_item.html:1: UndefinedError"),
        ("unsubscribe.html", "{{ nonesuch() }}", "unsubscribe.html:1: UndefinedError"),
        ("parts.html", "{% for x in %}", "parts.html"),
    ],
)
def test_a_template_that_compiles_but_does_not_render(name: str, content: str, wanted: str, local: Program) -> None:
    """An editor's own template is tried with a sample before a slot ends on it."""
    (local.folder / "templates").mkdir()
    (local.folder / "templates" / name).write_text(content)
    local.configure()

    result = local.run("check")

    assert result.code == 2
    assert wanted in result.err
    assert "failed: templates: " in result.err


def test_every_page_with_a_form_and_every_letter_is_tried(local: Program) -> None:
    """Also what they say only now and then; all of it in one run."""
    choose = "{% import 'form_parts.html' as forms with context %}{{ forms.newsletter_ticks(newsletters, [], 0) }}"
    broken = {
        "subscribe.html": "{% if 'address' in errors %}\n{{ 1 / 0 }}{% endif %}",
        "asked.html": "\n{{ hours.x.y }}",
        "confirm.html": "{% if kind == 'change' and standing == 'done' %}\n{{ nonesuch.x }}{% endif %}",
        "form_parts.html": "{% macro newsletter_ticks(a, b, c) %}\n{{ (a|first).x.y }}{% endmacro %}",
        "preferences.html": "{% if said == 'ask' %}\n{{ nonesuch.x }}{% else %}" + choose + "{% endif %}",
        "privacy.html": "\n{{ kept.NONESUCH.x }}",
        "unsubscribe.html": "{% if how == 'undo' %}\n{{ nonesuch.x }}{% endif %}",
        "letter.html": "{% if kind == 'changed' and not action_url %}\n{{ 1 / 0 }}{% endif %}",
        "letter.txt": "{% if unsubscribe_url %}\n{{ 1 / 0 }}{% endif %}",
        "letter_words.txt": "{% macro subject() %}{% if kind == 'known' %}\n{{ 1 / 0 }}{% endif %}{% endmacro %}",
    }
    (local.folder / "templates").mkdir()
    for name, content in broken.items():
        (local.folder / "templates" / name).write_text(content)
    local.configure()

    result = local.run("check")

    assert result.code == 2
    assert [name for name in broken if f"{name}:2: " not in result.err] == []


def test_a_list_of_feeds_that_is_none(local: Program) -> None:
    """Named by `check`; other commands say so in the log and read the rest."""
    (local.folder / "list.opml").write_text("<html><body>404</body></html>")
    local.configure(feeds=[{"opml": "list.opml"}, {"url": "http://wire.example.com/feed.xml"}])

    checked, listed = local.run("check"), local.run("feeds", "list", "--json")

    assert checked.code == 2
    assert "failed: feeds: " in checked.err
    assert "list.opml: found no <opml> element" in checked.err
    assert listed.code == 0
    assert "list.opml: found no <opml> element" in listed.err
    assert "wire.example.com" in listed.out


def test_a_refused_login_is_what_check_says(local: Program, make_smtp_server: Callable[..., SmtpServer]) -> None:
    """With the server's own words, and without the password."""
    server = make_smtp_server(login=("news", "right"))
    local.configure(mail=_mail(server.port, username="news", tls="none", password_file="password"))
    (local.folder / "password").write_text("wrong\n")

    refused = local.run("check")
    (local.folder / "password").write_text("right\n")
    accepted = local.run("check")

    assert refused.code == 2
    assert "failed: mail: the mail server refused us: 535" in refused.err
    assert "wrong" not in refused.err
    assert (accepted.code, accepted.err) == (0, "")
    assert "logged in as news" in accepted.out
    assert server.mails == []


def test_a_mail_server_that_is_not_there(local: Program) -> None:
    """Nobody listens on port 1."""
    local.configure(mail=_mail(1, tls="none"))

    result = local.run("check")

    assert result.code == 2
    assert "failed: mail: " in result.err
    assert "127.0.0.1:1" in result.err


def _mail(port: int, **smtp: Any) -> dict[str, Any]:
    return {"from": "AI Weekly <news@example.org>", "smtp": {"host": "127.0.0.1", "port": port, **smtp}}


@pytest.fixture
def public(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """An installation where another account can read it (pytest's own folders are private), but write nothing."""
    folder = Path(tempfile.mkdtemp(prefix="aggregator-"))
    (folder / "locked").mkdir()
    (folder / "locked").chmod(0o555)
    folder.chmod(0o755)
    yield Program(folder, "sqlite:///locked/var/news.db", capsys, monkeypatch)
    (folder / "locked").chmod(0o755)
    shutil.rmtree(folder)


def run_unprivileged(public: Program, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A real process that is not root, because root may write everywhere."""
    identity = find_nobody()
    return subprocess.run(
        [sys.executable, "-m", "aggregator", *arguments],
        cwd=public.folder,
        env={"PATH": os.environ["PATH"], "HOME": str(public.folder), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **identity,
    )


def test_folders_that_cannot_be_written(public: Program) -> None:
    """Data, outbox and the site: one line each that names the folder, and whose it is where that helps."""
    public.configure(mail={"from": "a@example.org", "outbox": "locked/outbox"})

    checked = run_unprivileged(public, "check")
    fetched = run_unprivileged(public, "fetch")

    assert checked.returncode == fetched.returncode == 2
    assert [line.split(": ")[1] for line in checked.stderr.splitlines()] == ["database", "mail"]
    assert str(public.folder / "locked") in fetched.stderr
    assert "running as uid" in fetched.stderr
    assert len(fetched.stderr.splitlines()) == 1


def test_an_out_folder_that_cannot_be_written(local: Program) -> None:
    """A file stands in its place; nothing else is harmed."""
    (local.folder / "site").write_text("mine")
    local.configure()

    result = local.run("publish", "--out", "site")

    assert result.code == 2
    assert result.err.startswith("aggregator: cannot publish to site: ")
    assert (local.folder / "site").read_text() == "mine"


def test_database_commands(program: Program) -> None:
    """Upgrade what is current, check it, and copy it where that is ours to do."""
    program.configure()

    upgraded, checked, saved = program.run("db", "upgrade"), program.run("db", "check"), program.run("db", "backup")

    assert (upgraded.code, checked.code) == (0, 0)
    assert "no problem found" in checked.out
    if "sqlite" in checked.out:
        assert saved.code == 0
        shutil.copyfile(saved.out.strip(), program.folder / "copy.sqlite3")
    else:
        assert (saved.code, "pg_dump" in saved.err) == (2, True)
