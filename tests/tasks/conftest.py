"""What the tests of issues and deliveries share. Never asserts anything."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.fixtures.program import Program
from tests.fixtures.smtp_server import SmtpServer
from tests.tasks.paper import SLOT, Paper


@pytest.fixture
def paper(program: Program, smtp_server: SmtpServer) -> Paper:
    made = Paper(program, smtp_server)
    made.configure()
    made.post(1, SLOT - timedelta(days=1))
    return made
