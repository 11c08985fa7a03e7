"""A web server in a thread beside what else its process does. Never knows what it serves."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

from aggregator.errors import UsageError

if TYPE_CHECKING:
    import uvicorn


def open_listener(host: str, port: int, *, key: str) -> socket.socket:
    """A socket that listens already; ``key``: what named the address. Raises `UsageError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)  # now, not when the web server is ready: only this tells that the address is taken
    except OSError as error:
        listener.close()
        raise UsageError(f"{key}: cannot listen on {host}:{port}: {error.strerror}") from error
    return listener


class WebThread(threading.Thread):
    """``server`` on ``listener``, from `start` on; should it end by itself, it sets ``stop``.

    In a thread of its own, so that signals stay ours: uvicorn would answer them before the mails are finished.
    """

    def __init__(self, server: uvicorn.Server, listener: socket.socket, stop: threading.Event) -> None:
        super().__init__(name="web")
        self._server, self._listener, self._stop_all = server, listener, stop
        #: It ended on its own.
        self.failed = False

    def run(self) -> None:
        try:
            self._server.run(sockets=[self._listener])
        finally:
            self.failed = not self._stop_all.is_set()
            self._stop_all.set()

    def end(self) -> None:
        """No new request; `join` waits for those that are being answered."""
        self._server.should_exit = True
