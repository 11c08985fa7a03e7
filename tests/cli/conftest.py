"""An installation on SQLite alone, for what has nothing to do with storage, and a small feed to read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.daemons import port, start, start_at
from tests.fixtures.program import Program

__all__ = ["local", "port", "start", "start_at"]


@pytest.fixture
def local(
    tmp_path: Path, sqlite_template: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Program:
    """As ``program``, on SQLite only."""
    database = tmp_path / "news.sqlite3"
    shutil.copyfile(sqlite_template, database)
    monkeypatch.delenv("AGGREGATOR_CONFIG", raising=False)
    return Program(tmp_path, f"sqlite:///{database}", capsys, monkeypatch)
