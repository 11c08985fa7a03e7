"""What the tests of tasks share. Never asserts anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from tests.fixtures.program import Program
from tests.fixtures.smtp_server import SmtpServer
from tests.tasks.paper import SLOT, Paper
from tests.tasks.world import Desk, World


@pytest.fixture
def paper(program: Program, smtp_server: SmtpServer) -> Paper:
    made = Paper(program, smtp_server)
    made.configure()
    made.post(1, SLOT - timedelta(days=1))
    return made


@pytest.fixture
def open_desk(program: Program) -> Iterator[Callable[..., Desk]]:
    """Opens the program over these addresses."""
    with_app = []

    def open_one(*urls: str, **sections: object) -> Desk:
        program.configure(feeds=[{"url": url} for url in urls], **sections)
        world = World()
        opened = program.app(now=world, fetcher=world)
        with_app.append(opened)
        return Desk(opened.__enter__(), world)

    yield open_one
    for opened in with_app:
        opened.__exit__(None, None, None)
