"""Daemons and workers as a user runs them, processes of their own; tests read what they say and send them signals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.fixtures.program import Program

_PROJECT = Path(__file__).resolve().parent.parent.parent
DAILY = {"slug": "daily", "title": "AI Daily", "schedule": "0 0 * * *", "timezone": "UTC", "min_stories": 1}


class Daemon:
    """One ``aggregator run`` (or ``worker``); what it says on standard error is kept."""

    def __init__(
        self, program: Program, port: int, *, command: str = "run", arguments: Sequence[str] = (), **options: Any
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        options["env"] = {**os.environ, "AGGREGATOR_WEB_LISTEN": f"127.0.0.1:{port}", **options.pop("env", {})}
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "aggregator", command, *arguments, "--config", str(program.config)],
            cwd=options.pop("cwd", _PROJECT),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            **options,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(line.rstrip())
                self._changed.notify_all()
        with self._changed:
            self.lines.append("(end)")
            self._changed.notify_all()

    def wait_for(self, word: str, seconds: float = 20) -> str:
        """The first line that holds ``word``."""

        def found() -> str | None:
            return next((line for line in self.lines if word in line), None)

        with self._changed:
            ended = self._changed.wait_for(lambda: found() or "(end)" in self.lines, seconds)
            line = found()
        assert line, f"no {word!r} ({ended=}): {self.lines}"
        return line

    def has(self, word: str) -> bool:
        with self._changed:
            return any(word in line for line in self.lines)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.end()

    def end(self, seconds: float = 25) -> int:
        code = self.process.wait(seconds)
        self._reader.join(10)
        return code

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def count_children(self) -> int:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return len(children.read_text().split())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(10)
        assert self.process.stderr is not None
        self.process.stderr.close()


Start = Callable[..., Daemon]


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    assert isinstance(number, int)
    return number


@pytest.fixture
def start_at(port: int) -> Iterator[Callable[[Program], Start]]:
    """For one installation, a function that starts a daemon on ``port``; it takes what `Daemon` takes."""
    started: list[Daemon] = []

    def begin(program: Program, **options: Any) -> Daemon:
        started.append(Daemon(program, options.pop("port", port), **options))
        return started[-1]

    yield lambda program: partial(begin, program)
    for daemon in started:
        daemon.close()


@pytest.fixture
def start(program: Program, start_at: Callable[[Program], Start]) -> Start:
    """For the installation ``program``."""
    return start_at(program)


def configure(program: Program, port: int, **sections: Any) -> None:
    program.configure(**{"web": {"listen": f"127.0.0.1:{port}"}, "newsletters": [DAILY], **sections})


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 30) -> None:
    """Ask again and again, as long as the process lives."""
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, "waited too long"
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        pytest.fail("the daemon ended")
