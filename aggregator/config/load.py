"""Puts the configuration together: file, environment, checks across keys, password. Never opens a database."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import SecretStr, ValidationError

from aggregator.config.checks import check_contradictions, check_oddities, check_repeats
from aggregator.config.document import Document, read_document
from aggregator.config.environment import PASSWORD_VARIABLE, apply_environment
from aggregator.config.problems import find_problems
from aggregator.config.rules import check_rules
from aggregator.config.schema import Config
from aggregator.errors import ConfigError, Problem

#: Sections that may be left empty, as they are when all of their keys are commented out.
SECTIONS = ("fetch", "feeds", "tags", "interests", "rules", "combined", "newsletters", "mail", "web", "log")
MAX_SECRET_CHARACTERS = 4_096


def load_config(path: Path, environ: Mapping[str, str], *, folder: Path | None = None) -> Config:
    """Read, check and freeze. Raises `ConfigError` with every problem in the order of the lines.

    ``environ``: the process environment; only names that begin with ``AGGREGATOR_`` are looked at.
    ``folder``: where relative paths start from instead of the file's own folder (for the shipped configuration).
    """
    document = read_document(path)
    for section in SECTIONS:
        if section in document.values and document.values[section] is None:
            del document.values[section]
    variables = apply_environment(document, environ)
    check_repeats(document)
    check_contradictions(document)
    check_rules(document)
    password = _find_password(document, (folder or path.parent).absolute(), environ.get(PASSWORD_VARIABLE, ""))
    try:
        config = Config.model_validate(document.values)
    except ValidationError as error:
        document.problems += find_problems(error, document, variables)
        raise ConfigError(sort_problems(document.problems)) from None
    config._path = path
    config._folder = folder
    config._lines = document.lines
    if config.mail.smtp:
        config.mail.smtp._password = SecretStr(password)
    check_oddities(config, document)
    if document.problems:
        raise ConfigError(sort_problems(document.problems))
    config._warnings = sort_problems(document.warnings)
    return config


def sort_problems(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """By line; those without one (the environment, whole files) first, in the order found."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: problem.line))


def _find_password(document: Document, folder: Path, password: str) -> str:
    """The SMTP password from the environment (handed in), or else from its file; mistakes go to the document."""
    smtp = document.get_mapping("mail", "smtp")
    if not smtp:
        if password:
            message = "found a password, but no mail.smtp in the file, expected both or neither"
            document.warnings.append(Problem(file="environment", line=0, key=PASSWORD_VARIABLE, message=message))
        return ""
    name = smtp.get("password_file")
    if isinstance(name, str) and name and not password:
        password = _read_password_file(folder / name, name, document)
        if not password:
            return ""
    if smtp.get("username") and not password:
        message = f"found a username without a password, expected password_file or {PASSWORD_VARIABLE} as well"
        document.blame(("mail", "smtp", "username"), message)
    if password and not smtp.get("username"):
        document.blame(("mail", "smtp"), "found a password without a username, expected both or neither")
    return password


def _read_password_file(path: Path, name: str, document: Document) -> str:
    """Its first line; empty when there is none, which is then blamed."""
    location = ("mail", "smtp", "password_file")
    try:
        with path.open(encoding="utf-8") as stream:
            password = stream.read(MAX_SECRET_CHARACTERS).partition("\n")[0]
        open_to_all = path.stat().st_mode & stat.S_IROTH
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not text"
        document.blame(location, f"found {name} unreadable ({reason.lower()}), expected a file with the password")
        return ""
    if not password:
        document.blame(location, f"found {name} without text on its first line, expected the password there")
    elif open_to_all:
        document.warn(location, f"found {name} readable by everybody, expected chmod 600")
    return password
