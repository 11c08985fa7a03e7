"""Puts the configuration together: file, environment, checks across keys, secrets. Never reads a file not named in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from aggregator.config.document import Document, Location, format_location, read_document
from aggregator.config.environment import PASSWORD_VARIABLE, apply_environment
from aggregator.config.problems import find_problems
from aggregator.config.schema import Config, UrlFeed
from aggregator.config.words import split_url
from aggregator.errors import ConfigError, Problem

SECTIONS = ("fetch", "feeds", "tags", "interests", "combined", "newsletters", "mail", "web", "storage", "log")
MAX_SECRET_BYTES = 4_096


def load_config(path: Path, environ: Mapping[str, str]) -> Config:
    """Read, check and freeze. Raises `ConfigError` with every problem in the order of the lines.

    ``environ``: the process environment; only names that begin with ``AGGREGATOR_`` are looked at.
    """
    document = read_document(path)
    for section in SECTIONS:
        if section in document.values and document.values[section] is None:
            del document.values[section]  # all of its keys are commented out
    variables = apply_environment(document, environ)
    try:
        config = Config.model_validate(document.values)
    except ValidationError as error:
        document.problems += find_problems(error, document, variables)
        document.problems += find_repeats(document)
        raise ConfigError(sort_problems(document.problems)) from None
    document.problems += [*find_repeats(document), *_find_contradictions(config, document)]
    config._path = path
    config._feed_lines = tuple(document.find_line(("feeds", index)) for index in range(len(config.feeds)))
    warnings = [*_read_password(config, document, environ), *_find_oddities(config, document)]
    if document.problems:
        raise ConfigError(sort_problems(document.problems))
    from aggregator.config.feeds import read_feed_lists

    config._warnings = sort_problems([*warnings, *read_feed_lists(config).problems])
    return config


def sort_problems(problems: list[Problem]) -> tuple[Problem, ...]:
    """By line; those without one (the environment, whole files) first, in the order found."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: problem.line))


def _say(document: Document, location: Location, message: str) -> Problem:
    line = document.find_line(location)
    return Problem(file=document.file, line=line, key=format_location(location), message=message)


def find_repeats(document: Document) -> Iterator[Problem]:
    """Feeds and newsletters that stand twice, each with both lines. Looks at raw values, so that a bad file will do."""
    for section, keys in (("feeds", ("url", "folder", "opml")), ("newsletters", ("slug",))):
        first: dict[str, Location] = {}
        items = document.values.get(section)
        for index, item in enumerate(items if isinstance(items, list) else []):
            for key in keys:
                value = item.get(key) if isinstance(item, dict) else None
                if not isinstance(value, str):
                    continue
                identity = f"{key} {_normalise(value)}"
                location = (section, index, key)
                if identity in first:
                    line = document.find_line(first[identity])
                    yield _say(document, location, f"found {value} again (first on line {line}), expected it once")
                first.setdefault(identity, location)


def _normalise(value: str) -> str:
    """Scheme and host without case, so that the same address is seen as the same."""
    try:
        parts = split_url(value)
    except ValueError:
        return value
    return parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower(), fragment="").geturl()


def _find_contradictions(config: Config, document: Document) -> Iterator[Problem]:
    """Keys that are good alone and bad together."""
    mail = config.mail
    if config.newsletters and not mail.sender:
        at: Location = ("mail",) if "mail" in document.values else ("newsletters",)
        yield _say(
            document,
            (*at, "from") if at == ("mail",) else at,
            'found no "from" in mail, expected the sender of the newsletters, such as AI Weekly <news@example.org>',
        )
    if mail.smtp and mail.outbox:
        yield _say(document, ("mail", "outbox"), "found outbox and smtp, expected only one of them")
    if config.fetch.min_interval > config.fetch.max_interval:
        yield _say(document, ("fetch", "min_interval"), "found more than max_interval, expected at most that")
    for index, newsletter in enumerate(config.newsletters):
        name = newsletter.template
        if not name.endswith(".mjml") or "/" in name or "\\" in name:
            yield _say(
                document,
                ("newsletters", index, "template"),
                f'found "{name}", expected the name of a template ending in .mjml, without a folder',
            )


def _read_password(config: Config, document: Document, environ: Mapping[str, str]) -> Iterator[Problem]:
    """Put the SMTP password in its place; yields warnings, adds problems to the document."""
    smtp = config.mail.smtp
    from_environment = environ.get(PASSWORD_VARIABLE, "")
    if smtp is None:
        if from_environment:
            message = "found a password, but no mail.smtp in the file, expected both or neither"
            yield Problem(file="environment", line=0, key=PASSWORD_VARIABLE, message=message)
        return
    password = from_environment
    if smtp.password_file and not password:
        secret_path = config.folder / smtp.password_file
        try:
            with secret_path.open(encoding="utf-8") as stream:
                password = stream.read(MAX_SECRET_BYTES).partition("\n")[0].strip("\r")
            if secret_path.stat().st_mode & 0o004:
                yield _say(
                    document,
                    ("mail", "smtp", "password_file"),
                    f"found {smtp.password_file} readable by everybody, expected chmod 600",
                )
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "not text"
            message = f"found {smtp.password_file} unreadable ({reason.lower()}), expected a file with the password"
            document.problems.append(_say(document, ("mail", "smtp", "password_file"), message))
            return
    if bool(smtp.username) != bool(password):
        found, other = ("username", "password") if smtp.username else ("password", "username")
        expected = f"both (password_file or {PASSWORD_VARIABLE})"
        document.problems.append(
            _say(document, ("mail", "smtp", "username"), f"found a {found} without a {other}, expected {expected}")
        )
    smtp._password = SecretStr(password)


def _find_oddities(config: Config, document: Document) -> Iterator[Problem]:
    """What works, but not as an editor would wish."""
    if not config.site.contact:
        yield _say(
            document,
            ("site", "contact"),
            "found no contact, expected an e-mail address or a page, so that a publisher can complain"
            f" (the User-Agent says {config.site.url} instead)",
        )
    if _holds_secret(config) and config.path.stat().st_mode & 0o004:
        yield Problem(
            file=document.file,
            line=0,
            key="",
            message="found a secret in a file readable by everybody, expected chmod 640 or 600",
        )
    for index, feed in enumerate(config.feeds):
        folder: Any = getattr(feed, "folder", None)
        if folder and not (config.folder / folder).is_dir():
            yield _say(document, ("feeds", index, "folder"), f"found no folder {folder}, expected one with posts")


def _holds_secret(config: Config) -> bool:
    in_url = (
        "@" in config.database.get_secret_value()
        and ":" in config.database.get_secret_value().partition("://")[2].partition("@")[0]
    )
    return in_url or any(isinstance(feed, UrlFeed) and feed.headers for feed in config.feeds)
