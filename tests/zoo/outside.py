"""Servers in processes of their own, so that what they do costs the program under test no time of its interpreter.

``python -m tests.zoo.outside MIX`` says its port and serves until its standard input ends. Hostile ones run at the
lowest priority: in the world they have machines of their own, and must not be measured as if they were ours.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.zoo.documents import HEALTHY, drip, hold, pour, rss, serve
from tests.zoo.server import Endpoint, Visit, ZooServer

OK = b"HTTP/1.1 200 OK\r\n"
#: Addresses of one mix.
MOST = 2_500


async def healthy_after_a_while(visit: Visit) -> None:
    """As servers are: some tens of milliseconds, and each time another document."""
    if not await visit.closed_within(0.02 + 0.05 * visit.rng.random()):
        await visit.answer(HEALTHY + b"<!-- %d -->" % visit.times)


LINES: list[Endpoint] = [
    hold,
    drip(OK + b"X: ", b"y" * 10_000),
    drip(OK + b"\r\n", HEALTHY * 50),
    serve(b"", 503, Retry_After="60"),
]
FLOODS: list[Endpoint] = [
    pour(OK + b"\r\n", b"<item/>" * 1000),
    pour(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    pour(OK, b"X-More: y\r\n"),
]
BOMBS: list[Endpoint] = [
    serve(rss("<item><title>x</title>" + "<category>c</category>" * 20_000)),
    serve(rss("<a>" * 5_000)),
]
MIXES: dict[str, list[Endpoint]] = {
    "healthy": [healthy_after_a_while],
    "lines": LINES,
    "floods": LINES + FLOODS,
    "bombs": LINES + BOMBS,
    "all": LINES + FLOODS + BOMBS,
}


@contextmanager
def serve_outside(mix: str) -> Iterator[int]:
    """The port of a process where ``/feed-N`` is the animal N of the mix."""
    command = [sys.executable, "-m", "tests.zoo.outside", mix]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(20)


def main(arguments: Sequence[str]) -> None:
    (mix,) = arguments
    if mix != "healthy":
        os.nice(19)
    server = ZooServer()
    kinds = MIXES[mix]
    for number in range(MOST):
        server.put(f"/feed-{number}", kinds[number % len(kinds)])
    print(server.plain_port, flush=True)
    sys.stdin.read()
    server.close()


if __name__ == "__main__":
    main(sys.argv[1:])
