"""The desk of one installation, for its benchmark: a process of its own, as `aggregator run` has it on a listener.

    python bench/desk_server.py CONFIG NOW

Makes an account, prints its port, then answers; the clock begins at NOW (ISO 8601). Never fetches, never sends.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from aggregator.app import App, open_app
from aggregator.cli.serving import open_listener
from aggregator.config import load_config
from aggregator.errors import UsageError
from aggregator.heap import keep_loaded, limit_arenas
from aggregator.log import configure_logging
from aggregator.tasks.desk.accounts import change_password, create_account
from aggregator.web.desk.desk import create_desk
from aggregator.web.server import create_server

NAME, PASSWORD = "bench", "a password of the bench"


def start_clock(first: datetime) -> Callable[[], datetime]:
    """What the time is, from ``first`` on."""
    began = time.monotonic()
    return lambda: first + timedelta(seconds=time.monotonic() - began)


def ensure_account(app: App) -> None:
    """An editor, in a database that may have been asked before."""
    try:
        create_account(app, NAME, PASSWORD, role="editor")
    except UsageError:
        change_password(app, NAME, PASSWORD)


def main() -> None:
    """Serve until it is ended."""
    configure_logging(level="error")
    config, first = sys.argv[1:]
    with open_app(load_config(Path(config), {})) as opened:
        app = replace(opened, now=start_clock(datetime.fromisoformat(first)))
        ensure_account(app)
        listener = open_listener("127.0.0.1", 0, key="bench")
        server = create_server(create_desk(app))
        limit_arenas()
        keep_loaded()
        print(listener.getsockname()[1], flush=True)
        server.run(sockets=[listener])


if __name__ == "__main__":
    main()
