"""One line to a mail server, mail after mail, without ever waiting. Never decides whether a mail may be committed.

Where the server offers PIPELINING (RFC 2920) an envelope is one packet, and that of the next mail goes with the final
dot of the one before; else each command waits for its answer. The text is sent up to its final dot, which only
`Conversation.finish` sends. So a line has at most one mail whose acceptance is in doubt, and one before that.
"""

from __future__ import annotations

import re
import selectors
import ssl
import time
from collections import deque
from typing import Protocol

from aggregator.errors import MailError, MailUnavailable, MailUncertain, RecipientRefused, SenderRefused
from aggregator.mail.line import Line
from aggregator.mail.opening import get_place
from aggregator.mail.replies import Step, is_about_server, read_refusal, to_line
from aggregator.model.mailing import Outcome, Outgoing
from aggregator.model.settings import SmtpSettings

#: Of a reply, all its lines together.
_MAX_REPLY_BYTES = 8_192
_READ_BYTES = 65_536
#: What stands between < and >: nothing that could end it, or the line.
_PLAIN_ADDRESS = re.compile(r"[!-;=?-~]{1,1000}\Z")
_AFTER_CODE = (b" ", b"-", b"\r", b"")
_WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Held:
    """A mail that was taken from the ledger and is not settled."""

    __slots__ = ("key", "message", "strikes")

    def __init__(self, mail: Outgoing) -> None:
        self.key = mail.key
        self.message = mail.message
        #: For new lines that were lost with it before its dot.
        self.strikes = 0


class Listener(Protocol):
    """Who hears what a conversation comes to."""

    def on_ready(self, conversation: Conversation) -> None:
        """All of ``mail`` but the final dot is sent."""

    def on_settled(self, outcome: Outcome) -> None:
        """The server has answered for good; the mail is no longer the conversation's."""

    def on_lost(self, conversation: Conversation, error: MailError, *, was_in_doubt: bool) -> None:
        """The line is closed. ``mail`` was certainly not accepted; the one in doubt, if any, is settled already."""


class Conversation:
    """Spoken by one thread. ``wants_write``: to be told when the socket takes more."""

    def __init__(self, line: Line, settings: SmtpSettings, listener: Listener) -> None:
        self.settings = settings
        self.place = get_place(settings)
        self.sock, self._unread = line.release()
        self.sock.settimeout(0)
        self.file_number = self.sock.fileno()
        #: What the selector looks for.
        self.events = selectors.EVENT_READ
        self.is_encrypted = isinstance(self.sock, ssl.SSLSocket)
        self.is_pipelining = line.has_extn("pipelining")
        self._listener = listener
        #: Whose envelope or text is under way, or which waits for the ledger.
        self.mail: Held | None = None
        #: Whose final dot is sent and not answered.
        self.doubtful: Held | None = None
        #: What is wrong with ``mail``: known before the server has answered the rest of its envelope.
        self._refusal: MailError | None = None
        self._awaited: deque[Step] = deque()
        #: Without pipelining: what is said after the next answer.
        self._unsaid: deque[tuple[Step, bytes]] = deque()
        #: Of a reply of several lines, those before its last.
        self._texts: list[bytes] = []
        self._reply_bytes = 0
        self._unsent: memoryview | None = None
        self._is_in_text = False
        self._needs_reset = False
        #: Mails that the server took on this line.
        self.accepted = 0
        self.is_closed = False
        #: It has said QUIT.
        self.is_leaving = False
        self.deadline = float("inf")

    @property
    def wants_write(self) -> bool:
        return self._unsent is not None

    @property
    def can_begin(self) -> bool:
        """Whether there is room for another mail."""
        return self.mail is None and not self.is_closed and (self.is_pipelining or not self._awaited)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way at all."""
        return self.mail is None and not self._awaited

    def begin(self, held: Held) -> None:
        """Say the envelope of a mail, the whole of it or its beginning."""
        if error := _find_fault(held):
            self._listener.on_settled(Outcome(key=held.key, error=error))
            return
        self._write(self._begin(held))

    def finish(self, following: Held | None) -> None:
        """Send the final dot of ``mail``, which is committed, and, pipelining, the envelope of the mail after it."""
        self.doubtful, self.mail = self.mail, None
        self._awaited.append(Step.DOT)
        data = b".\r\n"
        if following is not None:
            if error := _find_fault(following):
                self._listener.on_settled(Outcome(key=following.key, error=error))
            else:
                data += self._begin(following)
        self._write(data)
        self.deadline = time.monotonic() + self.settings.final_timeout_seconds

    def say_goodbye(self) -> None:
        """Say QUIT; the answer, or the server's hanging up, ends it with `Listener.on_lost`."""
        self.is_leaving = True
        self._awaited.append(Step.QUIT)
        self._write(b"QUIT\r\n")

    def close(self) -> None:
        """Hang up. Before the dot this takes the mail back."""
        self.is_closed = True
        self.sock.close()

    def lose(self, reason: str, code: int = 0) -> None:
        """Hang up and say what that means for the mails on the line."""
        if self.is_closed:
            return
        self.close()
        doubtful, self.doubtful = self.doubtful, None
        if doubtful is not None:
            error = MailUncertain(0, f"{self.place}: the line was lost after the final dot: {reason}")
            self._listener.on_settled(Outcome(key=doubtful.key, error=error))
        error_of_line = MailUnavailable(code, f"{self.place}: {reason}")
        self._listener.on_lost(self, error_of_line, was_in_doubt=doubtful is not None)

    def read(self) -> None:
        """Hear what the server says, now that the socket has something."""
        while not self.is_closed:
            try:
                data = self.sock.recv(_READ_BYTES)
            except _WOULD_BLOCK:
                return
            except OSError as error:
                self.lose(f"the line was lost: {to_line(str(error))}")
                return
            if not data:
                self.lose("the server hung up")
                return
            self._hear_all(data)
            if not self.is_encrypted:
                return  # what came meanwhile, the selector tells; an encrypted socket it knows only from outside

    def write(self) -> None:
        """Send more of what is waiting, now that the socket has room."""
        if self._unsent is not None:
            data, self._unsent = self._unsent, None
            self._write(data)

    def _begin(self, held: Held) -> bytes:
        """Make ``held`` the mail of this line; return what is said of it at once."""
        self.mail, self._refusal = held, None
        message = held.message
        if self.doubtful is None:  # else its answer comes first, and may take its time
            self.deadline = time.monotonic() + self.settings.timeout_seconds
        if self.is_pipelining:
            envelope = f"MAIL FROM:<{message.sender}>\r\nRCPT TO:<{message.recipient}>\r\nDATA\r\n".encode("ascii")
            if self._needs_reset:
                self._needs_reset = False
                self._awaited.append(Step.RESET)
                envelope = b"RSET\r\n" + envelope
            self._awaited += (Step.MAIL, Step.RCPT, Step.DATA)
            return envelope
        if self._needs_reset:
            self._needs_reset = False
            self._unsaid.append((Step.RESET, b"RSET\r\n"))
        self._unsaid.append((Step.MAIL, f"MAIL FROM:<{message.sender}>\r\n".encode("ascii")))
        self._unsaid.append((Step.RCPT, f"RCPT TO:<{message.recipient}>\r\n".encode("ascii")))
        self._unsaid.append((Step.DATA, b"DATA\r\n"))
        return self._take_unsaid()

    def _take_unsaid(self) -> bytes:
        step, command = self._unsaid.popleft()
        self._awaited.append(step)
        return command

    def _write(self, data: bytes | memoryview) -> None:
        if self._unsent is not None:
            self._unsent = memoryview(bytes(self._unsent) + data)
            return
        size = len(data)
        sent = 0
        try:
            while sent < size:
                sent += self.sock.send(memoryview(data)[sent:] if sent else data)
        except _WOULD_BLOCK:
            self._unsent = memoryview(data)[sent:]
            if sent and self._is_in_text:
                self.deadline = time.monotonic() + self.settings.timeout_seconds
            return
        except OSError as error:
            self.lose(f"the line was lost: {to_line(str(error))}")
            return
        if self._is_in_text:
            self._is_in_text = False
            self.deadline = float("inf")
            self._listener.on_ready(self)

    def _hear_all(self, data: bytes) -> None:
        lines = (self._unread + data).split(b"\n")
        self._unread = lines.pop()
        for line in lines:
            code, mark = line[:3], line[3:4]
            if not code.isdigit() or mark not in _AFTER_CODE:
                self.lose(f"no SMTP reply: {to_line(line)}")
            elif mark == b"-":
                self._texts.append(line[4:])
                self._reply_bytes += len(line)
                if self._reply_bytes > _MAX_REPLY_BYTES:
                    self.lose("the server's reply has no end")
            elif self._texts:
                text = b" ".join([*self._texts, line[4:]])
                self._texts.clear()
                self._reply_bytes = 0
                self._hear(int(code), text)
            else:
                self._hear(int(code), line[4:])
            if self.is_closed:
                return
        if len(self._unread) > _MAX_REPLY_BYTES:
            self.lose("the server's reply has no end")

    def _hear(self, code: int, text: bytes) -> None:
        """One reply, to what was said first of all that is not answered."""
        if not self._awaited:
            self.lose(f"the server says: {code} {to_line(text)}", code if code == 421 else 0)
            return
        step = self._awaited.popleft()
        if step is Step.DOT:
            self._hear_end(code, text)
        elif step is Step.RESET:
            if code != 250:
                self.lose(f"RSET was refused: {code} {to_line(text)}")
        elif step is Step.QUIT:
            self.lose("goodbye")
        elif step is Step.DATA and 300 <= code < 400:
            self._send_text()
        elif step is not Step.DATA and 200 <= code < 300:
            pass
        else:
            self._hear_refusal(step, code, text)
        if self._unsaid and not self.is_closed:
            self._write(self._take_unsaid())
        if self._awaited:
            if step is not Step.DATA:
                self.deadline = time.monotonic() + self.settings.timeout_seconds
        elif not self._is_in_text:
            self.deadline = float("inf")

    def _hear_end(self, code: int, text: bytes) -> None:
        """The answer to the final dot."""
        held = self.doubtful
        assert held is not None
        if 200 <= code < 300:
            self.doubtful = None
            self.accepted += 1
            self._listener.on_settled(Outcome(key=held.key, reply=to_line(text)))
        elif 400 <= code < 600:
            self.doubtful = None
            error = read_refusal(code, text, Step.DOT)
            self._listener.on_settled(Outcome(key=held.key, error=error))
            if code == 421:
                self.lose(f"{code} {to_line(text)}", code)
        else:
            self.lose(f"no SMTP reply: {code} {to_line(text)}")

    def _send_text(self) -> None:
        """The server waits for it."""
        assert self.mail is not None
        if self._refusal is not None:
            self._refuse()
            # It waits for the text of a mail without recipients. A dot would end that; so does hanging up.
            self.lose("the server asks for the text of a mail that it refused")
            return
        self.deadline = time.monotonic() + self.settings.timeout_seconds
        self._is_in_text = True
        self._write(self.mail.message.data)

    def _hear_refusal(self, step: Step, code: int, text: bytes) -> None:
        """Of the envelope of ``mail``. The first one tells why; with pipelining the others are only waited for."""
        if self._refusal is None:
            self._refusal = read_refusal(code, text, step)
            if is_about_server(self._refusal, step):
                self.lose(f"{code} {to_line(text)}", code)
                return
        if step is Step.DATA or self._unsaid:
            self._unsaid.clear()
            self._refuse()

    def _refuse(self) -> None:
        """Settle ``mail`` with what the server had against it; the line goes on."""
        held, self.mail = self.mail, None
        assert held is not None
        self._needs_reset = True
        self._listener.on_settled(Outcome(key=held.key, error=self._refusal))


def _find_fault(held: Held) -> MailError | None:
    """Return why a mail cannot be said in SMTP as it is; `message` makes none of these."""
    message = held.message
    if not _PLAIN_ADDRESS.match(message.recipient):
        return RecipientRefused(0, f"this address cannot stand in an envelope: {message.recipient!a}")
    if not _PLAIN_ADDRESS.match(message.sender):
        return SenderRefused(0, f"this sender cannot stand in an envelope: {message.sender!a}")
    # That no line begins with a dot is `message`'s promise: looking for one costs more than all else here.
    if message.data[:1] == b"." or message.data[-2:] != b"\r\n":
        return SenderRefused(0, f"message {message.message_id} does not end where its text ends")
    return None
