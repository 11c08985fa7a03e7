"""The kinds of values that only mail has: domains, names of keys, the address of bounces, a subject's template.

Never asks the network. What they accept is said in their first argument, which is also the message of a mistake.
"""

from __future__ import annotations

import re

from aggregator.config.kinds import Kind, Unfit, read_text
from aggregator.config.words import check_email

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\Z", re.I)
_SELECTOR = re.compile(rf"(?=.{{1,63}}\Z){_LABEL}(?:\.{_LABEL})*\Z", re.I)
_ADDRESS_NUMBER = re.compile(r"[0-9.]+\Z")
#: What an address may begin with when our own things are still to be put between + and @.
MAX_BOUNCE_LOCAL = 26
_BOUNCE_LOCAL = re.compile(rf"[a-z0-9._-]{{1,{MAX_BOUNCE_LOCAL}}}\Z")
#: What a subject's template may speak of.
SUBJECT_NAMES = ("headline", "issue", "stories", "title")


def _read_domain(value: object) -> str:
    found = read_text(value).lower().rstrip(".")
    if not found.isascii():
        raise Unfit(f"{DOMAIN.expected}, in ASCII (xn--... for other letters)")
    if not _DOMAIN.match(found) or _ADDRESS_NUMBER.match(found):
        raise Unfit
    return found


DOMAIN = Kind("a domain such as news.example.org", _read_domain)


def _read_selector(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        raise Unfit(f"{SELECTOR_NAME.expected} (put it in quotes)")
    found = read_text(value)
    if not _SELECTOR.match(found):
        raise Unfit
    return found


SELECTOR_NAME = Kind("the name of a key: letters, digits, hyphens and dots, at most 63", _read_selector)


def _read_bounce_address(value: object) -> str:
    found = check_email(read_text(value)).lower()
    if not _BOUNCE_LOCAL.match(found.rpartition("@")[0]):
        raise Unfit(
            f"at most {MAX_BOUNCE_LOCAL} letters, digits, dots, hyphens and underscores before the @ (no +): "
            "return paths are made of it"
        )
    return found


BOUNCE_ADDRESS = Kind("an e-mail address", _read_bounce_address)


def _read_subject(value: object) -> str:
    from jinja2 import TemplateError, meta
    from jinja2.sandbox import SandboxedEnvironment

    found = read_text(value)
    if len(found) > 500 or not found.isprintable():
        raise Unfit(f"{SUBJECT.expected}, one line of at most 500 characters")
    environment = SandboxedEnvironment()
    try:
        environment.compile(found)
        unknown = sorted(meta.find_undeclared_variables(environment.parse(found)) - set(SUBJECT_NAMES))
    except (TemplateError, RecursionError) as error:
        reason = str(error).rstrip(".")
        raise Unfit(f"{SUBJECT.expected} ({reason[:1].lower()}{reason[1:]})") from None
    if unknown:
        raise Unfit(f'a template that speaks of {", ".join(SUBJECT_NAMES)} only, not of "{unknown[0]}"')
    return found


SUBJECT = Kind('a Jinja template such as "{{ headline }}"', _read_subject)
