"""Puts the configuration together: file, environment, checks across keys, secrets. Never opens a database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from aggregator.config.checks import (
    check_alerts,
    check_choices,
    check_contradictions,
    check_oddities,
    check_ports,
    check_repeats,
)
from aggregator.config.document import read_document
from aggregator.config.environment import apply_environment
from aggregator.config.passwords import hand_out, read_secrets
from aggregator.config.problems import find_problems
from aggregator.config.rules import check_rules
from aggregator.config.schema import Config
from aggregator.errors import ConfigError, Problem

#: Sections that may be left empty, as they are when all of their keys are commented out.
SECTIONS = ("fetch", "feeds", "tags", "interests", "rules", "combined", "newsletters", "mail", "alerts", "web", "log")


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
    check_choices(document)
    check_ports(document)
    check_contradictions(document)
    check_alerts(document)
    check_rules(document)
    secrets = read_secrets(document, (folder or path.parent).absolute(), environ)
    try:
        config = Config.model_validate(document.values)
    except ValidationError as error:
        document.problems += find_problems(error, document, variables)
        raise ConfigError(sort_problems(document.problems)) from None
    config._path = path
    config._folder = folder
    config._lines = document.lines
    config._raw_rules = tuple(document.values.get("rules") or ())
    hand_out(config, secrets)
    check_oddities(config, document)
    if document.problems:
        raise ConfigError(sort_problems(document.problems))
    config._warnings = sort_problems(document.warnings)
    return config


def sort_problems(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """By line; those without one (the environment, whole files) first, in the order found."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: problem.line))
