"""The lines of one run: opened as they are needed, to the server that is used now, and closed. Never sends a mail.

The first line to a server is opened alone, so that a login that fails fails once. A server that refuses one line more
keeps those it has. Opening blocks, and is done in threads of its own.
"""

from __future__ import annotations

import contextlib
import selectors
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aggregator.errors import MailError, SenderRefused
from aggregator.log import get_logger
from aggregator.mail.committer import Waker
from aggregator.mail.conversation import Conversation, Listener
from aggregator.mail.line import Line
from aggregator.mail.opening import open_line
from aggregator.mail.servers import Servers
from aggregator.model.settings import SmtpSettings

log = get_logger(__name__)

#: A server that refused one line more is asked for it again after so long.
MORE_LINES_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Arrival:
    """What came of opening a line."""

    server: SmtpSettings
    line: Line | None = None
    error: BaseException | None = None


class Lines:
    """All methods but `_open`'s thread belong to the serving thread."""

    def __init__(self, servers: Servers, get_tls: Callable[[], ssl.SSLContext], listener: Listener) -> None:
        self._servers, self._get_tls, self._listener = servers, get_tls, listener
        #: Called by other threads to interrupt `wait`.
        self.waker = Waker()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.waker.socket, selectors.EVENT_READ, None)
        #: File number -> line.
        self._all: dict[int, Conversation] = {}
        #: Lines that have said QUIT.
        self._leaving: dict[int, Conversation] = {}
        self._arrivals: deque[_Arrival] = deque()
        self._opening = 0
        self.used = servers.get_used()
        self._limit = self.used.connections
        self._more_at = float("inf")
        self._has_opened = False
        self._is_over = threading.Event()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Conversation]:
        """A copy: lines may be lost meanwhile."""
        return iter(tuple(self._all.values()))

    def use_current_server(self) -> None:
        """Turn to the server that is used now."""
        used = self._servers.get_used()
        if used is not self.used:
            self.used, self._limit = used, used.connections
            self._has_opened = any(line.settings is used for line in self)

    def open_for(self, mails: int) -> None:
        """Begin to open as many lines as ``mails`` that nobody carries need, and as the server allows."""
        free = self._limit - len(self._all) - self._opening
        if not self._has_opened:
            free = min(free, 1 - self._opening)  # one login that fails is enough
        for _ in range(min(free, mails - self._opening)):
            self._open(self.used)

    def try_more(self, now: float) -> None:
        """Now and then: one line more at a server that refused it, and the first server while the second is used."""
        if now >= self._more_at:
            self._limit = min(len(self._all) + 1, self.used.connections)
            self._more_at = float("inf")
        if (first := self._servers.get_due()) is not None:
            self._open(first, is_back=self._servers.note_up)

    def wait(self, seconds: float) -> None:
        """Serve the lines whose sockets have something, or room; wait for that at most so long."""
        for key, events in self._selector.select(seconds):
            conversation: Conversation | None = key.data
            if conversation is None:
                self.waker.clear()
                continue
            if events & selectors.EVENT_WRITE and not conversation.is_closed:
                conversation.write()
            if events & selectors.EVENT_READ and not conversation.is_closed:
                conversation.read()
            self.watch(conversation)

    def watch(self, conversation: Conversation) -> None:
        """Ask the selector for what the conversation waits for now."""
        if conversation.is_closed:
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if conversation.wants_write else 0)
        if events != conversation.events:
            conversation.events = events
            self._selector.modify(conversation.file_number, events, conversation)

    def welcome(self) -> tuple[SmtpSettings, BaseException] | None:
        """Take in what was opened meanwhile; return the first server that cannot be used at all, and why."""
        while self._arrivals:
            arrival = self._arrivals.popleft()
            self._opening -= 1
            if arrival.line is not None:
                self._add(Conversation(arrival.line, arrival.server, self._listener))
                continue
            assert arrival.error is not None
            if not isinstance(arrival.error, MailError) or not any(line.settings is arrival.server for line in self):
                return arrival.server, arrival.error
            # A login that worked a moment ago is not wrong now: the server wants fewer lines.
            self._limit = len(self._all)
            if not isinstance(arrival.error, SenderRefused):
                self._more_at = time.monotonic() + MORE_LINES_SECONDS
            log.warning("mail.fewer_lines", lines=self._limit, reason=arrival.error.text)
        return None

    def forget(self, conversation: Conversation) -> None:
        """The line is closed, or about to be."""
        mine = self._leaving if conversation.is_leaving else self._all
        if mine.get(conversation.file_number) is conversation:  # the number may be another line's by now
            del mine[conversation.file_number]
            self._selector.unregister(conversation.file_number)
        if not self._all:
            self._has_opened = False  # the next one goes alone again

    def part_from(self, conversation: Conversation) -> None:
        """Say QUIT on a line that is idle."""
        self._leaving[conversation.file_number] = self._all.pop(conversation.file_number)
        conversation.say_goodbye()

    def hang_up(self, conversation: Conversation) -> None:
        """Close a line at once; what was not finished on it is taken back."""
        self.forget(conversation)
        conversation.close()

    def part_from_all(self, seconds: float) -> None:
        """Good manners; a server that does not answer in so many seconds is left without an answer."""
        for conversation in self:
            self.part_from(conversation)
        until = time.monotonic() + seconds
        while self._leaving and (left := until - time.monotonic()) > 0:
            self.wait(left)

    def close(self) -> None:
        """Close everything, also what is still being opened."""
        self._is_over.set()
        for conversation in (*self._all.values(), *self._leaving.values()):
            conversation.close()
        self._drop_arrivals()
        self._selector.close()
        self.waker.close()

    def _add(self, conversation: Conversation) -> None:
        if not self._has_opened:
            self._has_opened = True
            log.info("mail.server", server=conversation.place, encrypted=conversation.is_encrypted)
        self._all[conversation.file_number] = conversation
        self._selector.register(conversation.file_number, conversation.events, conversation)

    def _open(self, server: SmtpSettings, is_back: Callable[[SmtpSettings], None] = lambda server: None) -> None:
        """Begin to open a line; `welcome` hears what came of it, ``is_back`` at once that it is open."""
        tls = self._get_tls()

        def open_it() -> None:
            try:
                arrival = _Arrival(server, line=open_line(server, tls))
                is_back(server)  # also when this run is over by now: the next one shall use it
            except BaseException as error:  # noqa: BLE001  (raised, or weighed, in the serving thread)
                arrival = _Arrival(server, error=error)
            self._arrivals.append(arrival)
            if self._is_over.is_set():
                self._drop_arrivals()
            self.waker.wake()

        self._opening += 1
        threading.Thread(target=open_it, name="mail-opening", daemon=True).start()

    def _drop_arrivals(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                line = self._arrivals.popleft().line
                if line is not None:
                    line.close()
