"""One line to a mail server: smtplib's, with limits on what the other end may make us wait for. Never decides anything.

smtplib counts its time-out anew for every packet, so that a server which sends a byte a second, or lines without end,
holds it for ever. Here a whole reply has one deadline and a greatest length.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import time

_MAX_REPLY_BYTES = 65_536


class Line(smtplib.SMTP):
    """A connection that is opened and encrypted from outside (`open`, `encrypt`) and then spoken on as with smtplib."""

    def __init__(self, *, timeout: float, local_hostname: str) -> None:
        super().__init__(timeout=timeout, local_hostname=local_hostname)
        #: For one whole reply.
        self.reply_seconds = timeout
        self._send_seconds = timeout
        self._unread = bytearray()

    def open(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Connect, encrypted from the first byte when ``tls`` is given."""
        sock = socket.create_connection((host, port), self._send_seconds)
        # The final dot is a small packet of its own; Nagle's algorithm would hold it back for 40 ms.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        if tls is not None:
            self.sock = tls.wrap_socket(sock, server_hostname=host)

    def encrypt(self, host: str, tls: ssl.SSLContext) -> None:
        """Go on encrypted, and forget what was said in the clear (RFC 3207 4.2)."""
        sock = self.get_socket()
        sock.settimeout(self._send_seconds)
        self.sock = tls.wrap_socket(sock, server_hostname=host)
        self.helo_resp = self.ehlo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False

    def get_socket(self) -> socket.socket:
        """Return the socket, or raise SMTPServerDisconnected when it is closed."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("the line is closed")
        return self.sock

    def release(self) -> tuple[socket.socket, bytes]:
        """Hand over the socket, and what was received and not read; the line is of no further use."""
        sock, unread = self.get_socket(), bytes(self._unread)
        self.sock = None
        return sock, unread

    def has_unread(self) -> bool:
        """Tell whether the server has said more than its last reply. Only before `encrypt`."""
        if self._unread:
            return True
        sock = self.get_socket()
        sock.settimeout(0)
        try:
            return bool(sock.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False

    def send(self, s: bytes | str) -> None:  # type: ignore[override]
        """As smtplib's; the time-out is for all of ``s``."""
        self.get_socket().settimeout(self._send_seconds)
        super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        """Return code and text of one reply; code -1 when it is none (RFC 5321 4.2).

        Raises SMTPServerDisconnected, with the line closed, when it is lost, too slow or too long.
        """
        deadline = time.monotonic() + self.reply_seconds
        texts: list[bytes] = []
        size = 0
        while True:
            line = self._read_line(deadline)
            texts.append(line[4:].strip())
            size += len(line)
            if not line[:3].isdigit():
                return -1, line.strip()
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(texts)
            if size > _MAX_REPLY_BYTES:
                self.close()
                raise smtplib.SMTPServerDisconnected("the server's reply has no end")

    def _read_line(self, deadline: float) -> bytes:
        sock = self.get_socket()
        while b"\n" not in self._unread:
            try:
                # An hour's patience, or none: a deadline that has passed leaves a moment for what is there already.
                sock.settimeout(max(deadline - time.monotonic(), 0.001))
                received = sock.recv(4_096)
            except OSError as error:
                self.close()
                raise smtplib.SMTPServerDisconnected(str(error) or "no answer in time") from error
            if not received or len(self._unread) > _MAX_REPLY_BYTES:
                self.close()
                raise smtplib.SMTPServerDisconnected("the server hung up" if not received else "a reply without an end")
            self._unread += received
        line, _, rest = bytes(self._unread).partition(b"\n")
        self._unread = bytearray(rest)
        return line
