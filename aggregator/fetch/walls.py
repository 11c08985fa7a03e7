"""Who answered instead of the site: a wall against robots, or a login. Named, never climbed."""

from __future__ import annotations

from collections.abc import Mapping

from aggregator.model.walls import WALLS, WALLS_OF_SHORT_PAGES, WallMarks, find_mark

#: An error that asks for a password is a login's.
_LOGIN: WallMarks = ((('type="password"', "type='password'"), "a login page"),)


def find_blocker(headers: Mapping[str, str]) -> str:
    """The name of the wall that answered instead of the site, when its headers say so; ``headers`` knows no case."""
    if "cf-mitigated" in headers:
        return "a Cloudflare challenge page"
    if any(name.lower().startswith("x-datadome") for name in headers):
        return "a DataDome challenge page"
    if "x-amzn-waf-action" in headers:
        return "an AWS WAF challenge page"
    if "x-sucuri-block" in headers:
        return "a Sucuri error page"
    return "it wants a login" if "www-authenticate" in headers else ""


def find_page_blocker(page: bytes) -> str:
    """The same by the words of the page that came with an error; empty when none of them is known."""
    return find_mark(page.decode("utf-8", "replace").lower(), WALLS + _LOGIN + WALLS_OF_SHORT_PAGES)
