"""Runs the whole way on the sample posts, dated relative to now: feeds in, pages, one feed and one mail out.

    python examples/demo.py [FOLDER]        FOLDER: where to work; default var/demo, made anew each time

Never needs a network: the feeds are folders, and mail is written to an outbox. Calls the command line as a user would.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent
DEFAULT = EXAMPLES.parent / "var" / "demo"
_DAYS_AGO = re.compile(r"^days_ago: *([0-9.]+)$", re.MULTILINE)

#: What the demo does, in order, each as one command line.
STEPS = (
    ("Make the database", ("db", "upgrade")),
    ("Read all folders", ("fetch", "--all")),
    ("Add three subscribers", ("subscribers", "import", "subscribers.csv")),
    ("Build an issue", ("issues", "build", "weekly")),
    ("Send it to the outbox", ("issues", "send", "weekly")),
    ("Write the static site", ("publish", "--out", "site")),
)


def main() -> int:
    """Run all steps; the exit code is that of the first one that fails."""
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else DEFAULT
    count = prepare_folder(folder, now=datetime.now(UTC))
    print(f"Copied {count} sample posts to {show(folder)}", flush=True)
    for title, arguments in STEPS:
        print(f"\n{title}: aggregator {' '.join(arguments)}", flush=True)
        if code := run_step(folder, arguments):
            print(f"demo: stopped at `{' '.join(arguments)}`, exit code {code}", file=sys.stderr)
            return code
    print_result(folder)
    return 0


def run_step(folder: Path, arguments: tuple[str, ...]) -> int:
    """One command line by the program of this checkout, installed or not; its exit code."""
    environ = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}
    command = [sys.executable, "-m", "aggregator", *arguments, "--config", "config.yaml"]
    return subprocess.run(command, cwd=folder, env=environ, check=False).returncode


def prepare_folder(folder: Path, *, now: datetime) -> int:
    """Copy configuration and posts to ``folder``, replacing what an earlier run left; returns the number of posts."""
    if folder.exists() and not (folder / "config.yaml").exists() and any(folder.iterdir()):
        sys.exit(f"demo: {folder} holds something else; name an empty folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("config.yaml", "subscribers.csv"):
        shutil.copy(EXAMPLES / name, folder / name)
    posts = sorted(EXAMPLES.glob("*/*.md"))
    for post in posts:
        target = folder / post.relative_to(EXAMPLES)
        target.parent.mkdir(exist_ok=True)
        target.write_text(date_post(post.read_text(encoding="utf-8"), now=now), encoding="utf-8")
    return len(posts)


def date_post(text: str, *, now: datetime) -> str:
    """The post with its ``days_ago: N`` made a real ``date:`` in UTC, to the minute."""

    def to_date(found: re.Match[str]) -> str:
        moment = now - timedelta(days=float(found[1]))
        return f"date: {moment:%Y-%m-%dT%H:%M:00Z}"

    return _DAYS_AGO.sub(to_date, text, count=1)


def print_result(folder: Path) -> None:
    """Where to look."""
    mails = sorted((folder / "var" / "outbox").glob("**/*.eml"))
    config, site = show(folder / "config.yaml"), show(folder / "site")
    print("\nDone. Look at:")
    for number, mail in enumerate(mails):
        print(f"  {'mails' if number == 0 else '':13}  {show(mail)}")
    print(f"  combined feed  {site}/feed.atom")
    print(f"  static pages   {show(Path(sys.executable))} -m http.server --directory {site}")
    print(f"  the daemon     {show(Path(sys.executable))} -m aggregator run --config {config}")
    print("                 then open http://127.0.0.1:8000")


def show(path: Path) -> str:
    """A path as one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


if __name__ == "__main__":
    sys.exit(main())
