"""Who is no person."""

from __future__ import annotations

import pytest

from aggregator.mail.roles import ROLES, is_ours, is_role


@pytest.mark.parametrize("local", sorted(ROLES))
def test_machines_and_offices(local: str) -> None:
    """Also with a tag, and in capitals."""
    assert all(is_role(f"{one}@example.org") for one in (local, local.upper(), f"{local}+news"))


@pytest.mark.parametrize("local", ["ada", "info", "admin", "webmaster", "abuse.smith", "ada+abuse", "noreplyx"])
def test_people(local: str) -> None:
    assert not is_role(f"{local}@example.org")


def test_where_our_own_mail_comes_back_to() -> None:
    """That domain only, not the ones above or below it."""
    assert is_ours("Anybody@Bounce.Example.org", "b@bounce.example.org")
    assert not is_ours("ada@example.org", "b@bounce.example.org") and not is_ours(
        "a@x.bounce.example.org", "b@bounce.example.org"
    )
    assert not is_ours("ada@example.org", "")
