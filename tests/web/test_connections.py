"""Clients that are slow, greedy, many or rude, against the real server with short limits."""

from __future__ import annotations

import logging
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from time import monotonic

import pytest

from aggregator.cli.process import raise_file_limit
from aggregator.web.connections import Limits
from tests.web.conftest import Door
from tests.web.stage import TEXT, Stage

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

Serve = Callable[..., Door]
#: Shorter than anybody wants, but the test's own time.
SHORT = Limits(head_seconds=0.5, body_seconds=0.7, idle_seconds=1.0, taking_seconds=0.5)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n"


@contextmanager
def connect(door: Door) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", door.port), timeout=15) as line:
        yield line


def read_to_end(line: socket.socket) -> bytes:
    """All that comes until the server closes; a time-out is a failure."""
    pieces = []
    with suppress(ConnectionResetError):  # it did not wait for what we had sent
        while piece := line.recv(65_536):
            pieces.append(piece)
    return b"".join(pieces)


def drip(line: socket.socket, data: bytes, seconds: float = 15) -> bytes:
    """Send one byte after the other, a tenth of a second apart, until the server closes."""
    line.settimeout(0.1)
    began, answer = monotonic(), b""
    for number in range(len(data)):
        with suppress(ConnectionError):
            line.sendall(data[number : number + 1])
        try:
            piece = line.recv(65_536)
        except TimeoutError:
            assert monotonic() - began < seconds, "it waits for ever"
            continue
        except ConnectionError:
            return answer
        if not piece:
            return answer
        answer += piece
    pytest.fail("it took all of it")


def count_open(door: Door) -> int:
    return len(door.server.server_state.connections)


def wait_for_open(door: Door, most: int, seconds: float = 15) -> None:
    """Ask something harmless, at least once, so that those before us are let in, until so many connections are left,
    our own included."""
    end = monotonic() + seconds
    while door.ask("/healthz").status != 200 or count_open(door) > most:
        assert monotonic() < end, count_open(door)


def test_who_never_ends_a_request_is_closed_however_slowly_it_drips(stage: Stage, serve: Serve) -> None:
    stage.write("/")
    door = serve(stage.app, limits=SHORT)
    with ExitStack() as stack:
        lines = [stack.enter_context(connect(door)) for _ in range(4)]
        lines[1].sendall(b"GET / HT")
        lines[2].sendall(GET + b"X: ")
        lines[3].sendall(b"POST /unsubscribe/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        assert [read_to_end(line) for line in lines] == [b"", b"", b"", b""]
    for beginning in (GET + b"X: " + b"a" * 500, b"\r\n" * 500):
        with connect(door) as line:
            assert drip(line, beginning) == b""
    with connect(door) as line:
        line.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert drip(line, b"1\r\na\r\n" * 100).startswith(b"HTTP/1.1 405")
    wait_for_open(door, 1)


def test_between_requests_a_connection_stays_a_while(stage: Stage, serve: Serve) -> None:
    stage.write("/", "short")
    door = serve(stage.app, limits=SHORT)
    with connect(door) as line:
        answers = []
        for _ in range(3):
            line.sendall(GET + b"\r\n")
            answers.append(line.recv(65_536))
        rest = read_to_end(line)

    assert [answer.split(b"\r\n")[0] for answer in answers] == [b"HTTP/1.1 200 OK"] * 3
    assert rest == b""


def test_who_does_not_read_is_closed_and_costs_no_memory_for_ever(stage: Stage, serve: Serve) -> None:
    stage.write("/", "a" * 30_000_000)
    door = serve(stage.app, limits=SHORT)
    with ExitStack() as stack:
        for _ in range(5):
            line = stack.enter_context(connect(door))
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.sendall(GET + b"\r\n")
        wait_for_open(door, 1)


def test_who_asks_again_and_again_and_does_not_read_is_closed(stage: Stage, serve: Serve) -> None:
    """All of the answers but one wait for the reader, and so does the server, which has work left."""
    stage.write("/", "a" * 30_000_000)
    door = serve(stage.app, limits=SHORT)
    with ExitStack() as stack:
        for _ in range(3):
            line = stack.enter_context(connect(door))
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.sendall((GET + b"\r\n") * 3)
        wait_for_open(door, 1)


def test_thousands_of_requests_at_once_are_not_all_remembered(stage: Stage, serve: Serve) -> None:
    stage.write("/", "short")
    stage.gate.clear()
    door = serve(stage.app)
    with connect(door) as line:
        line.sendall((GET + b"\r\n") * 2_000)
        answer = read_to_end(line)
        stage.gate.set()

    assert answer == b"", "nobody asks for so much: it is closed at once"


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"GET /" + b"a" * 4_000_000, 431),
        (GET + b"X: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (GET + b"X: " + b"a" * 4_000_000, 431),
        (GET + b"X: a\r\n" * 101 + b"\r\n", 431),
        (GET + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (GET + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/3.7\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"SMTP hello\r\n\r\n", 400),
    ],
    ids="path pieces_of_path field pieces_of_field fields two_lengths length_and_chunks version tls bytes smtp".split(),
)
def test_heads_that_are_too_long_or_no_http_get_an_answer_and_an_end(
    stage: Stage, serve: Serve, request_head: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    door = serve(stage.app)
    with caplog.at_level(logging.INFO, "uvicorn.error"), connect(door) as line:
        with suppress(ConnectionError):
            line.sendall(request_head)
        answer = read_to_end(line)

    assert answer.startswith(b"HTTP/1.1 %d " % status) and answer.count(b"HTTP/1.1") == 1
    assert b"connection: close" in answer and b"content-security-policy: default-src 'none'" in answer
    assert stage.made == []
    assert not [line for line in caplog.messages if "request" in line], "strangers do not write our log"


def test_bodies_and_trailers_without_end_are_cut(stage: Stage, serve: Serve) -> None:
    door = serve(stage.app)
    head = b"POST /unsubscribe/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"ffff\r\n" + b"a" * 0xFFFF + b"\r\n"
    for endless in (chunk, b"1\r\na\r\n" * 10_000, b"0\r\n" + b"X: a\r\n" * 200, b"0\r\nX: " + b"a" * 1_000_000):
        with connect(door) as line:
            sent = 0
            with suppress(ConnectionError):
                line.sendall(head)
                while sent < 20_000_000:
                    sent += line.send(endless)
            assert sent < 20_000_000
            read_to_end(line)
    wait_for_open(door, 1)


def test_requests_in_a_row_are_answered_in_their_order(stage: Stage, serve: Serve) -> None:
    stage.write("/", "first")
    stage.write("/2", "second")
    door = serve(stage.app, limits=SHORT)
    with connect(door) as line:
        line.sendall(GET + b"\r\n" + b"GET /2 HTTP/1.1\r\nHost: x\r\n\r\n" + GET + b"Connection: close\r\n\r\n")
        answer = read_to_end(line)

    assert [answer.index(word) for word in (b"first", b"second")] == sorted(
        answer.index(word) for word in (b"first", b"second")
    )
    assert answer.count(b"HTTP/1.1 200") == 3 and answer.endswith(b"first")


def test_who_asks_for_another_protocol_is_answered_in_this_one(stage: Stage, serve: Serve) -> None:
    stage.write("/", "plain")
    door = serve(stage.app)
    for protocol in (b"h2c", b"websocket", b"odd"):
        with connect(door) as line:
            line.sendall(GET + b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n\r\n")
            first = line.recv(65_536)
            line.sendall(GET + b"Connection: close\r\n\r\n")

            assert first.startswith(b"HTTP/1.1 200 OK") and b"plain" in first
            assert b"plain" in read_to_end(line)


def test_idle_connections_make_room_for_readers(stage: Stage, serve: Serve) -> None:
    stage.write("/")
    door = serve(stage.app, limits=Limits(connections=20))
    with ExitStack() as stack:
        lines = [stack.enter_context(connect(door)) for _ in range(300)]
        for line in lines[::3]:
            with suppress(ConnectionError):
                line.sendall(b"GET / HTTP/1.1\r\nX: ")

        assert door.ask("/").text == TEXT
        assert count_open(door) <= 20


def test_who_is_being_answered_is_not_sent_away_for_those_who_wait(stage: Stage, serve: Serve) -> None:
    stage.write("/", "worth the wait")
    stage.gate.clear()
    door = serve(stage.app, limits=Limits(connections=5))
    with ExitStack() as stack:
        readers = [stack.enter_context(connect(door)) for _ in range(5)]
        for line in readers:
            line.sendall(GET + b"Connection: close\r\n\r\n")
        assert stage.begun.wait(10)
        end = monotonic() + 10
        while not all(getattr(one, "cycle", None) for one in list(door.server.server_state.connections)):
            assert monotonic() < end
        crowd = read_to_end(stack.enter_context(connect(door)))
        assert crowd.startswith(b"HTTP/1.1 503 ") and b"connection: close" in crowd
        stage.gate.set()
        assert {read_to_end(line)[-14:] for line in readers} == {b"worth the wait"}


@pytest.mark.soak
def test_ten_thousand_idle_connections_keep_no_reader_out(stage: Stage, serve: Serve) -> None:
    raise_file_limit()
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 13_000:
        pytest.skip("this process may not open so many sockets")
    stage.write("/")
    door = serve(stage.app)
    slowest = 0.0
    with ExitStack() as stack:
        for number in range(10_000):
            stack.enter_context(connect(door)).sendall(b"GET / HTTP/1.1\r\nX: ")
            if number % 100 == 0:
                began = monotonic()
                assert door.ask("/").status == 200
                slowest = max(slowest, monotonic() - began)
        assert count_open(door) <= Limits().connections
    assert slowest < 1.0
