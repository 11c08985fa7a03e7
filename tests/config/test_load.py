"""A good configuration: what the file, the environment, password files and lists of feeds become."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from aggregator.config import Config, load_config
from aggregator.config.environment import get_variables
from aggregator.config.feeds import find_feed_place, read_feed_lists
from aggregator.config.settings import build_settings, find_unknown_tags
from aggregator.errors import ConfigError
from aggregator.model.feed import PageRules
from aggregator.model.interest import Interests
from aggregator.model.settings import FollowedList, Settings, SmtpSettings
from aggregator.model.tag import Tag, TagRule, TagRules
from aggregator.pipeline.opml import parse_opml

SMALL = "site: {title: A, url: https://a.example/, contact: desk@example.org}\n"


def smtp_settings(config: Config) -> SmtpSettings:
    assert config.mail.smtp
    return config.mail.smtp.build_settings()


def load(folder: Path, text: str, environ: dict[str, str] | None = None) -> Config:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return load_config(path, environ or {})


def build(config: Config) -> Settings:
    return build_settings(config, feeds=read_feed_lists(config, parse_opml).specs, tag_rules=TagRules())


def read_error(folder: Path, text: str, environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text, environ)
    return [str(problem) for problem in caught.value.problems]


def test_two_keys_are_enough(tmp_path: Path) -> None:
    """Everything else has a default."""
    config = load(tmp_path, SMALL)

    assert config.warnings == ()
    assert config.site.url == "https://a.example"
    assert config.database_url == f"sqlite:///{tmp_path}/var/aggregator.db"
    assert config.outbox_folder == tmp_path / "var/outbox"
    assert config.templates_folder == tmp_path / "templates"
    assert (config.web.host, config.web.port) == ("127.0.0.1", 8000)
    assert build(config).fetch.user_agent.startswith("ai-news-aggregator/")
    assert build(config).fetch.user_agent.endswith("(+desk@example.org)")


def test_nothing_can_be_changed_after_loading(tmp_path: Path) -> None:
    """Rooms may keep what they were given."""
    config = load(tmp_path, SMALL)

    with pytest.raises(ValidationError):
        config.site.title = "B"  # type: ignore[misc]


def test_yaml_words_mean_what_they_say(tmp_path: Path) -> None:
    """YAML 1.1 would have read ``no`` as false and 010 as eight."""
    config = load(tmp_path, SMALL + "feeds: [{url: https://b.example/f, language: no}]\nfetch: {concurrency: 010}\n")

    assert config.feeds[0].language == "no"
    assert config.fetch.concurrency == 10


def test_values_are_turned_into_what_the_rooms_take(tmp_path: Path) -> None:
    """Durations, languages in their usual case, defaults that come from the site."""
    text = SMALL + (
        "fetch: {min_interval: 90s, max_interval: 36h}\n"
        "feeds:\n"
        "  - {url: https://b.example/f, language: ZH-hant-tw, interval: 15m, tags: [gpt-4.1], headers: {X-Key: k}}\n"
        "mail: {from: 'Die Woche, täglich <n@example.org>'}\n"
        "newsletters: [{slug: weekly, title: W, schedule: '0  8 * * MON', filter: {languages: [JA]}}]\n"
        "interests: {openai: 2, https://b.example/f: -1.5}\n"
    )
    settings = build(load(tmp_path, text))

    assert settings.fetch.min_interval == timedelta(seconds=90)
    assert settings.fetch.max_interval == timedelta(hours=36)
    (feed,) = settings.feeds
    assert (feed.language, feed.interval, feed.tags) == ("zh-Hant-TW", timedelta(minutes=15), ("gpt-4.1",))
    assert feed.headers == (("X-Key", "k"),)
    (newsletter,) = settings.newsletters
    assert (newsletter.timezone, newsletter.language) == ("UTC", "en")
    assert (newsletter.schedule, newsletter.filter_languages) == ("0 8 * * MON", ("ja",))
    assert settings.interests == Interests(points=(("openai", 2.0), ("https://b.example/f", -1.5)))


def test_a_missing_contact_is_a_warning_and_the_user_agent_says_so(tmp_path: Path) -> None:
    """A publisher must be able to find out whom to ask."""
    config = load(tmp_path, "site: {title: A, url: https://a.example}\n")

    assert [problem.key for problem in config.warnings] == ["site.contact"]
    assert build(config).fetch.user_agent.endswith("(+https://a.example; no contact given)")


def test_anchors_and_merges_work(tmp_path: Path) -> None:
    """YAML's own way not to repeat oneself; a mistake that came by a merge gets the line of the feed."""
    text = SMALL + "feeds:\n  - &a {url: https://b.example/1, language: ja}\n  - {<<: *a, url: https://b.example/2}\n"

    assert [feed.language for feed in load(tmp_path, text).feeds] == ["ja", "ja"]


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    """Containers are configured this way."""
    environ = {
        "AGGREGATOR_SITE_URL": "https://b.example",
        "AGGREGATOR_DATABASE": "postgresql://me:geheim@db.example/news",
        "AGGREGATOR_WEB_LISTEN": "[::]:80",
        "AGGREGATOR_FETCH_ALLOW_NETWORKS": "10.0.0.0/8, fd00::/8",
        "AGGREGATOR_FETCH_HOST_GAP_SECONDS": "0.5",
        "AGGREGATOR_COMBINED_ONE_PER_STORY": "false",
        "AGGREGATOR_SITE_AUTHOR": "",
        "AGGREGATOR_CONFIG": "/etc/aggregator.yaml",
        "PATH": "/bin",
    }
    config = load(tmp_path, SMALL, environ)

    assert config.site.url == "https://b.example"
    assert config.database_url == "postgresql://me:geheim@db.example/news"
    assert (config.web.host, config.web.port) == ("::", 80)
    assert config.fetch.allow_networks == ("10.0.0.0/8", "fd00::/8")
    assert config.fetch.host_gap_seconds == 0.5
    assert config.combined.one_per_story is False
    assert config.site.author == ""


def test_mistakes_in_the_environment_name_the_variable(tmp_path: Path) -> None:
    """They come first, since they have no line."""
    environ = {"AGGREGATOR_FETCH_CONCURRENCY": "many", "AGGREGATOR_SITE_ULR": "x", "AGGREGATOR_FEEDS": "x"}
    messages = read_error(tmp_path, SMALL + "log: {level: loud}\n", environ)

    assert messages == [
        "environment: AGGREGATOR_FEEDS: found an unknown variable, expected feeds in the file",
        "environment: AGGREGATOR_SITE_ULR: found an unknown variable, expected AGGREGATOR_<SECTION>_<KEY>"
        ' (did you mean "AGGREGATOR_SITE_URL"?)',
        'environment: AGGREGATOR_FETCH_CONCURRENCY: found "many", expected feeds fetched at one time, '
        "a whole number from 1 to 1000",
        f'{tmp_path}/config.yaml:2: log.level: found "loud", expected debug, info, warning or error',
    ]


def test_a_mail_server_from_the_environment_replaces_the_outbox(tmp_path: Path) -> None:
    """One file serves the trial on the desk and the real thing in a container."""
    text = SMALL + "mail: {from: n@example.org, outbox: var/outbox}\n"
    environ = {
        "AGGREGATOR_MAIL_SMTP_HOST": "mail.example.org",
        "AGGREGATOR_MAIL_SMTP_PORT": "2525",
        "AGGREGATOR_MAIL_SMTP_USERNAME": "me",
        "AGGREGATOR_MAIL_SMTP_PASSWORD": "geheim",
    }
    smtp = smtp_settings(load(tmp_path, text, environ))

    assert (smtp.host, smtp.port, smtp.username, smtp.password) == ("mail.example.org", 2525, "me", "geheim")


@pytest.mark.parametrize(("tls", "port"), [("starttls", 587), ("implicit", 465), ("none", 25)])
def test_the_port_follows_the_encryption(tmp_path: Path, tls: str, port: int) -> None:
    """RFC 6409 and RFC 8314."""
    config = load(tmp_path, SMALL + f"mail: {{smtp: {{host: mail.example.org, tls: {tls}}}}}\n")

    assert smtp_settings(config).port == port
    assert smtp_settings(config).tls == tls


def test_the_password_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    """A file that everybody can read is worth a warning."""
    (tmp_path / "password").write_text("geheim\n\n", encoding="utf-8")
    (tmp_path / "password").chmod(0o644)
    text = SMALL + "mail:\n  smtp:\n    host: mail.example.org\n    username: me\n    password_file: password\n"
    config = load(tmp_path, text)

    assert smtp_settings(config).password == "geheim"
    assert [str(problem) for problem in config.warnings] == [
        f"{tmp_path}/config.yaml:6: mail.smtp.password_file: found password readable by everybody, expected chmod 600"
    ]


def test_no_secret_shows_in_a_representation(tmp_path: Path) -> None:
    """Whatever is logged or printed by accident."""
    text = SMALL + "feeds: [{url: https://b.example/f, headers: {Authorization: geheim}}]\n"
    text += "database: postgresql://me:geheim@db.example/news\nmail: {smtp: {host: m.example.org, username: me}}\n"
    config = load(tmp_path, text, {"AGGREGATOR_MAIL_SMTP_PASSWORD": "geheim"})

    assert "geheim" not in repr(config) + str(config) + repr(smtp_settings(config))


@pytest.mark.parametrize("secret", ["database: postgresql://me:geheim@db.example/news\n", "headers"])
def test_a_file_with_a_secret_that_everybody_can_read_is_warned_about(tmp_path: Path, secret: str) -> None:
    """threats.md T19; a file without secrets may be read by anybody."""
    feeds = "feeds: [{url: https://b.example/f, headers: {Authorization: geheim}}]\n"
    path = tmp_path / "config.yaml"
    path.write_text(SMALL + (feeds if secret == "headers" else secret), encoding="utf-8")
    path.chmod(0o644)
    open_to_all = load_config(path, {}).warnings
    path.chmod(0o640)

    assert [problem.message for problem in open_to_all] == [
        "found a secret in a file that everybody can read, expected chmod 640 or 600"
    ]
    assert load_config(path, {}).warnings == ()


def test_every_server_has_its_own_password(tmp_path: Path) -> None:
    """From the environment or a file, whichever each is given; the environment wins."""
    (tmp_path / "second").write_text("geheim-2\r\n", encoding="utf-8")
    (tmp_path / "third").write_text("not this one\n", encoding="utf-8")
    for name in ("second", "third"):
        (tmp_path / name).chmod(0o600)
    text = SMALL + (
        "mail:\n  from: n@example.org\n  smtp: {host: one.example.org, username: me}\n"
        "  fallback: {host: two.example.org, username: me, password_file: second}\n"
        "  bounces:\n    address: b@bounce.example.org\n"
        "    imap: {host: box.example.org, username: b, password_file: third}\n"
    )
    environ = {"AGGREGATOR_MAIL_SMTP_PASSWORD": "geheim-1", "AGGREGATOR_MAIL_BOUNCES_IMAP_PASSWORD": "geheim-3"}
    config = load(tmp_path, text, environ)
    settings = build(config).mail

    assert config.mail.fallback
    assert settings.bounces
    assert settings.bounces.imap
    assert smtp_settings(config).password == "geheim-1"
    assert config.mail.fallback.build_settings().password == "geheim-2"
    assert (settings.bounces.imap.password, settings.bounces.imap.port) == ("geheim-3", 993)
    assert config.warnings == ()
    assert "geheim" not in repr(config) + repr(config.mail) + repr(settings) + config.model_dump_json()


KEY = "-----BEGIN PRIVATE KEY-----\nZ2VoZWlt\n-----END PRIVATE KEY-----\n"


def test_the_key_is_read_from_its_file_and_never_shown(tmp_path: Path) -> None:
    """Whether it is a good one, `check` tells. Who may not read it cannot sign in our name."""
    (tmp_path / "dkim.pem").write_text(KEY, encoding="ascii")
    (tmp_path / "dkim.pem").chmod(0o644)
    text = SMALL + "mail:\n  dkim: {domain: Example.ORG., selector: news, key_file: dkim.pem}\n"
    config = load(tmp_path, text)
    dkim = build(config).mail.dkim

    assert dkim
    assert (dkim.domain, dkim.selector, dkim.key_pem) == ("example.org", "news", KEY.encode())
    assert [problem.message for problem in config.warnings] == [
        "found dkim.pem readable by everybody, expected chmod 600"
    ]
    assert "Z2VoZWlt" not in repr(config.mail) + repr(dkim) + config.model_dump_json()


@pytest.mark.parametrize(
    ("sender", "signs", "is_odd"),
    [
        ("n@news.example.org", "example.org", False),
        ("n@example.org", "news.example.org", False),
        ("AI <n@example.org>", "example.org", False),
        ("AI <n@other.example>", "example.org", True),
        ("n@badexample.org", "example.org", True),
    ],
)
def test_a_signature_by_somebody_else_is_warned_about(tmp_path: Path, sender: str, signs: str, is_odd: bool) -> None:
    """DMARC would not count it."""
    (tmp_path / "dkim.pem").write_text(KEY, encoding="ascii")
    (tmp_path / "dkim.pem").chmod(0o600)
    text = SMALL + f"mail:\n  from: {sender}\n  dkim: {{domain: {signs}, selector: s, key_file: dkim.pem}}\n"

    assert [problem.key for problem in load(tmp_path, text).warnings] == (["mail.from"] if is_odd else [])


def test_a_password_without_a_mail_server_is_a_warning(tmp_path: Path) -> None:
    """The same environment may serve several files."""
    config = load(tmp_path, SMALL, {"AGGREGATOR_MAIL_SMTP_PASSWORD": "geheim"})

    assert [problem.key for problem in config.warnings] == ["AGGREGATOR_MAIL_SMTP_PASSWORD"]


def test_folders_and_lists_are_found_beside_the_file(tmp_path: Path) -> None:
    """The file's own feeds come first and win over the same address in a list."""
    (tmp_path / "posts").mkdir()
    (tmp_path / "more.opml").write_text(
        '<opml version="2.0"><body><outline text="research"><outline text="B" xmlUrl="https://b.example/f"/>'
        '<outline text="C" xmlUrl="https://c.example/f" language="ja"/></outline></body></opml>',
        encoding="utf-8",
    )
    text = SMALL + (
        "feeds:\n"
        "  - {opml: more.opml, weight: 0.5, tags: [community], language: en}\n"
        "  - {folder: posts, url_prefix: 'https://a.example/'}\n"
        "  - {url: 'https://b.example/f', title: Mine}\n"
    )
    config = load(tmp_path, text)
    posts, mine, listed = read_feed_lists(config, parse_opml).specs

    assert config.warnings == ()
    assert (posts.url, posts.title, posts.url_prefix) == (f"folder:{tmp_path}/posts", "posts", "https://a.example/")
    assert (mine.title, mine.origin, mine.weight) == ("Mine", "config", 1.0)
    assert (listed.title, listed.origin, listed.weight) == ("C", "opml", 0.5)
    assert (listed.language, listed.tags) == ("ja", ("community", "research"))
    assert find_feed_place(config, "https://b.example/f") == f"{tmp_path}/config.yaml:5"
    assert find_feed_place(config, f"folder:{tmp_path}/posts") == f"{tmp_path}/config.yaml:4"
    assert find_feed_place(config, "https://c.example/f") == ""


def test_a_broken_list_costs_itself_only(tmp_path: Path) -> None:
    """The rest of the configuration goes on; the warning names the file."""
    (tmp_path / "bad.opml").write_text("<!DOCTYPE opml><opml/>", encoding="utf-8")
    text = SMALL + "feeds:\n  - opml: none.opml\n  - opml: bad.opml\n  - url: https://b.example/f\n  - folder: none\n"
    config = load(tmp_path, text)

    lists = read_feed_lists(config, parse_opml)

    assert [str(problem) for problem in config.warnings] == [
        f"{tmp_path}/config.yaml:6: feeds[3].folder: found no folder none, expected one with posts",
    ]
    assert [str(problem) for problem in lists.problems] == [
        f"{tmp_path}/config.yaml:3: feeds[0].opml: found none.opml unreadable (no such file or directory), "
        "expected an OPML file",
        f"{tmp_path}/bad.opml: found a document type declaration, expected OPML without one",
    ]
    assert [spec.url for spec in lists.specs] == ["https://b.example/f", f"folder:{tmp_path}/none"]


def test_a_list_on_the_web_is_followed_and_no_file(tmp_path: Path) -> None:
    """Its feeds come with fetching it, its options go with it."""
    text = SMALL + (
        "feeds:\n"
        "  - {opml: 'https://b.example/planet.opml', language: ja, weight: 2, tags: [community], interval: 6h}\n"
        "  - url: https://c.example/f\n"
    )
    config = load(tmp_path, text)

    assert read_feed_lists(config, parse_opml).problems == ()
    assert [spec.url for spec in build(config).feeds] == ["https://c.example/f"]
    assert build(config).lists == (
        FollowedList(
            url="https://b.example/planet.opml",
            language="ja",
            weight=2.0,
            tags=("community",),
            interval=timedelta(hours=6),
        ),
    )


def test_a_page_without_a_feed_is_read_by_rules(tmp_path: Path) -> None:
    """Only ``items`` is needed."""
    text = SMALL + (
        "feeds:\n"
        "  - {url: https://b.example/news, page: {items: 'article.post', title: h2 > a, link: a, date: time}}\n"
        "  - {url: https://c.example/news, page: {items: li, title: ''}}\n"
    )
    pages = [spec.page for spec in build(load(tmp_path, text)).feeds]

    assert pages == [PageRules(items="article.post", title="h2 > a", link="a", date="time"), PageRules(items="li")]


def test_whose_requests_count_together_can_be_set(tmp_path: Path) -> None:
    """Hosts in lower case, as they are compared."""
    text = SMALL + 'fetch: {host_key: domain, forbidden_as_rate_limit: [Reddit.com, "*"]}\n'
    fetch = build(load(tmp_path, text)).fetch

    assert (fetch.host_key, fetch.forbidden_as_rate_limit) == ("domain", ("reddit.com", "*"))
    assert build(load(tmp_path, SMALL)).fetch.host_key == "host"


def test_tags_that_nothing_puts_on_an_entry_are_found(tmp_path: Path) -> None:
    """A newsletter that filters by a misspelt tag would stay empty without a word."""
    text = SMALL + (
        "feeds: [{url: https://b.example/f, tags: [ours]}]\n"
        "mail: {from: n@example.org}\n"
        "newsletters: [{slug: w, title: W, schedule: 0 8 * * 1, filter: {tags: [openai, opnai, ours]}}]\n"
        "interests: {chip: 1, openai: 1}\n"
    )
    rules = TagRules(rules=(TagRule(tag=Tag(slug="openai", kind="org", name="OpenAI")),))
    problems = list(find_unknown_tags(load(tmp_path, text), rules))

    assert [(problem.key, problem.line) for problem in problems] == [
        ("interests.chip", 5),
        ("newsletters[0].filter.tags[1]", 4),
    ]


def test_every_variable_can_be_set(tmp_path: Path) -> None:
    """A key that the environment cannot reach is not promised by `get_variables`."""
    for name, path in get_variables().items():
        messages = read_error(tmp_path, SMALL, {name: "a\nb\0"})

        assert any(name in message or path[-1] in message for message in messages), name
