"""``aggregator issues``, ``publish``: from stored entries to a mail, by hand."""

from __future__ import annotations

from collections.abc import Callable

from tests.cli.feeds import make_items, make_rss
from tests.fixtures.http_server import TestHttpServer
from tests.fixtures.program import Program
from tests.fixtures.smtp_server import SmtpServer

DAYS = ("01 Dec 2025", "02 Dec 2025", "03 Dec 2025")


def test_an_issue_by_hand(program: Program, http_server: TestHttpServer) -> None:
    """Build, look, send, send again: one mail to each."""
    program.configure(feeds=[{"url": http_server.add("/feed.xml", make_rss(*make_items(DAYS)))}])
    program.run("fetch", "--all")
    for name in ("ana", "bo"):
        program.run("subscribers", "add", f"{name}@example.org")

    built = program.run("issues", "build", "--until", "2025-12-03")
    (issue,) = program.json("issues", "list")
    seen = program.run("issues", "preview", "--out", "look")
    sent = program.run("issues", "send")
    again = program.run("issues", "send")

    assert built.code == 0
    assert f"weekly/{issue['slug']}: ready, 3 stories, 2 recipients\n" in built.out
    assert [line.rpartition(".")[2] for line in seen.out.splitlines()] == ["html", "txt"]
    assert sent.out == again.out == f"weekly/{issue['slug']}: sent: 2 sent\n"
    assert (sent.code, again.code) == (0, 0)
    assert len(list((program.folder / "var" / "outbox").glob("*.eml"))) == 2


def test_an_empty_window_is_a_sentence(local: Program) -> None:
    """Which window, how many stories there were and how many are wanted; no failure."""
    local.configure()

    built = local.run("issues", "build", "--until", "2025-12-03")

    assert built.code == 0
    assert built.out.startswith("weekly/")
    assert "2025-11-27 00:00 to 2025-12-04 00:00: too few stories: 0 found, 1 wanted" in built.out
    assert local.run("issues", "send").code == 1


def test_a_window_in_the_future_is_refused(local: Program) -> None:
    """Nobody knows what it will hold."""
    local.configure()

    result = local.run("issues", "build", "--until", "2200-01-01")

    assert (result.code, result.err) == (2, "aggregator: the window of an issue cannot end in the future\n")


def test_a_broken_template_is_named_when_an_issue_is_built(local: Program, http_server: TestHttpServer) -> None:
    """And the issue can be built once it is mended."""
    (local.folder / "templates").mkdir()
    template = local.folder / "templates" / "newsletter.mjml"
    template.write_text("<mjml><mj-body></mjml>")
    local.configure(feeds=[{"url": http_server.add("/feed.xml", make_rss(*make_items(DAYS)))}])
    local.run("fetch", "--all")

    broken = local.run("issues", "build", "--until", "2025-12-03")
    template.unlink()
    mended = local.run("issues", "build", "--until", "2025-12-03")

    assert (broken.code, len(broken.err.splitlines())) == (1, 1)
    assert "newsletter.mjml:1: <mj-body> is not closed" in broken.err
    assert (mended.code, "ready" in mended.out) == (0, True)


def test_a_server_that_refuses_us_is_said(
    local: Program, http_server: TestHttpServer, make_smtp_server: Callable[..., SmtpServer]
) -> None:
    """Code 1, the server's words, and nobody is lost: sent when the server takes it."""
    server = make_smtp_server()
    smtp = {"host": "127.0.0.1", "port": server.port, "tls": "none"}
    local.configure(
        feeds=[{"url": http_server.add("/feed.xml", make_rss(*make_items(DAYS)))}],
        mail={"from": "news@example.org", "smtp": smtp},
    )
    local.run("fetch", "--all")
    local.run("subscribers", "add", "ana@example.org")
    local.run("issues", "build", "--until", "2025-12-03")
    server.answer("MAIL", "530 5.7.0 log in first", times=1)

    refused = local.run("issues", "send")
    accepted = local.run("issues", "send")

    assert refused.code == 1
    assert "log in first" in refused.err
    assert accepted.code == 0
    assert [mail.recipients for mail in server.mails] == [("ana@example.org",)]


def test_the_site_as_files(program: Program, http_server: TestHttpServer) -> None:
    """Written once; the second time nothing has changed."""
    program.configure(feeds=[{"url": http_server.add("/feed.xml", make_rss(*make_items(DAYS)))}])
    program.run("fetch", "--all")

    first, second = program.run("publish"), program.run("publish")

    assert (first.code, second.code) == (0, 0)
    assert (program.folder / "site" / "index.html").exists()
    assert (program.folder / "site" / "feed.atom").exists()
    assert first.out.startswith("site: ")
    assert " 0 files written, " in second.out
