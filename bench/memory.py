"""Memory of the daemon after a full round: the sum of PSS (proportional set size) over its process tree.

    python bench/memory.py [FOLDER]      FOLDER: feed files, each a feed; default: ../shared/corpus/feeds

Starts a server on 127.0.0.1 and a daemon with its default settings on it; prints PSS before, while and after the round.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from aggregator.tasks.process_memory import measure_memory

PROJECT = Path(__file__).resolve().parent.parent
LIMIT_MB = 150


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def sum_pss(root: int) -> float:
    """MB of PSS of a process and all below it."""
    found = measure_memory(root)
    return found.pss_bytes / 2**20 if found else 0.0


def write_config(folder: Path, urls: list[str], port: int) -> Path:
    """The shipped configuration with other feeds and another port."""
    text = (PROJECT / "config.yaml").read_text(encoding="utf-8")
    head, _, rest = text.partition("\nfeeds:\n")
    tail = re.search(r"^(?=[a-z]+:)", rest, re.MULTILINE)
    feeds = "\n".join(f"  - url: {url}" for url in urls)
    config = folder / "config.yaml"
    body = f"{head}\nfeeds:\n{feeds}\n{rest[tail.start() :] if tail else ''}"
    body = re.sub(r"^fetch:.*$", "fetch:\n  allow_networks: [127.0.0.0/8]", body, count=1, flags=re.MULTILINE)
    config.write_text(body.replace("127.0.0.1:8000", f"127.0.0.1:{port}"), encoding="utf-8")
    return config


def ask(config: Path, *command: str) -> dict[str, int]:
    """The JSON of a command."""
    run = [sys.executable, "-m", "aggregator", *command, "--json", "--config", str(config)]
    answer: dict[str, int] = json.loads(subprocess.run(run, check=True, capture_output=True, cwd=PROJECT).stdout)
    return answer


def main() -> int:
    """Print the figures; exit code 1 when over the limit."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else PROJECT.parent / "shared" / "corpus" / "feeds").resolve()
    os.chdir(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    urls = [f"http://127.0.0.1:{server.server_port}/{name}" for name in files]
    with tempfile.TemporaryDirectory() as work:
        config = write_config(Path(work), urls, port=server.server_port + 1)
        daemon = subprocess.Popen(
            [sys.executable, "-m", "aggregator", "run", "--config", str(config)], cwd=PROJECT, stderr=subprocess.DEVNULL
        )
        peak = 0.0
        try:
            before, deadline = -1, time.monotonic() + 300
            while time.monotonic() < deadline:
                time.sleep(5)
                peak = max(peak, sum_pss(daemon.pid))
                stored = ask(config, "stats")
                if stored["entries"] == before and stored["stories"] > 0:
                    break
                before = stored["entries"]
            time.sleep(5)
            after = sum_pss(daemon.pid)
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(30)
        print(f"{len(urls)} feeds, {stored['entries']} entries, {stored['stories']} stories")
        print(f"PSS of the process tree: {peak:.0f} MB at most while working, {after:.0f} MB after the round")
    return int(after > LIMIT_MB)


if __name__ == "__main__":
    sys.exit(main())
