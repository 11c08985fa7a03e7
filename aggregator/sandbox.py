"""Runs the pure stage `parse`: usual documents at once, all others in child processes with limits. Never lets one cost
another.

The fast road (`pipeline.parse.fast`) runs in this process and has hard limits of its own. What it leaves goes to a
child. A child is a fresh interpreter (no fork: the daemon has threads) with limits of memory, CPU and time, which reads
requests on its standard input and answers on its standard output; each message is its length in four bytes and then its
content. A child that dies, or is killed for its hunger, costs its document a ``too_hostile``; the next document gets
a new child. What comes back is JSON, never pickle: a parser that was broken into must not get further by its answer. At
rest there is no child.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import threading
from dataclasses import astuple, fields
from pathlib import Path
from time import monotonic
from typing import IO

from aggregator.errors import ParseError
from aggregator.model.feed import Fetched, PageRules
from aggregator.model.parsed import ParsedFeed
from aggregator.pipeline.parse.fast import parse_quickly
from aggregator.pipeline.parse.wire import decode_answer, encode_answer

_LENGTH = struct.Struct(">I")
_MAX_ANSWER = 256 * 1024 * 1024
#: After this a document no longer keeps others from a child; so many more may then be at it.
LONG_SECONDS = 1.0
LONG_PLACES = 2
#: Children give way to the daemon, which has all other feeds to look after.
_NICE = 5
#: A new child after so many documents: what the allocator keeps is given back.
_DOCUMENTS_A_CHILD = 500
_RULES = tuple(field.name for field in fields(PageRules))
_START = (
    "import sys; sys.path.append(sys.argv[1]); from aggregator.sandbox import serve; serve(*map(int, sys.argv[2:]))"
)
#: Of the daemon's environment a child sees only what an interpreter may need; secrets are not among it.
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")


class ParseSandbox:
    """Parses documents, in ``workers`` children at once and a few more; may be called from many threads."""

    def __init__(
        self,
        *,
        max_seconds: float = 20,
        cpu_seconds: int = 10,
        memory_bytes: int = 1 << 30,
        workers: int = 2,
        idle_seconds: float = 30,
        quickly: bool = True,
    ) -> None:
        """``quickly``: the fast road is tried first, in this process; without it everything goes to a child."""
        self._max_seconds = max_seconds
        self._limits = (cpu_seconds, memory_bytes)
        self._idle_seconds = idle_seconds
        self._quickly = quickly
        self._places = _Places(workers)
        self._lock = threading.Lock()
        self._idle: list[_Child] = []
        self._last_used = monotonic()
        self._timer: threading.Timer | None = None

    def parse(self, reply: Fetched) -> ParsedFeed:
        """`parse_feed` of what was fetched; raises `ParseError` as that does, or when a child died over it."""
        result = self.parse_at_once(reply)
        return self.parse_in_child(reply) if result is None else result

    def parse_at_once(self, reply: Fetched) -> ParsedFeed | None:
        """The same when the fast road can tell, without waiting for a child; None: it takes one."""
        return _parse_here(reply) if self._quickly and reply.request.page is None else None

    def parse_in_child(self, reply: Fetched) -> ParsedFeed:
        """The same by a child, which is waited for; raises `ParseError`."""
        with self._places:
            try:
                child = self._take()
            except Exception as error:  # out of processes, files or memory: that passes
                raise ParseError("no_parser", f"the parser could not be started: {error}") from error
            try:
                answer = child.ask(reply, self._max_seconds)
                result = decode_answer(answer)
            except Exception as error:  # an answer can be wrong in any way: it costs its own document only
                reason = child.kill(self._max_seconds, self._limits)
                raise ParseError("too_hostile", reason) from error
            except BaseException:
                child.stop()  # an interrupt between question and answer: this child is out of step
                raise
            self._give_back(child)
        if isinstance(result, ParseError):
            raise result
        return result

    def rest(self) -> None:
        """End the children that have nothing to do; the next document starts one again."""
        with self._lock:
            idle, self._idle = self._idle, []
        for child in idle:
            child.stop()

    def close(self) -> None:
        """End everything. Calls from now on still work, as after `rest`."""
        with self._lock:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            timer.join()
        self.rest()

    def _take(self) -> _Child:
        with self._lock:
            while self._idle:
                child = self._idle.pop()
                if child.is_alive():
                    return child
                child.stop()
        return _Child(*self._limits)

    def _give_back(self, child: _Child) -> None:
        if child.documents >= _DOCUMENTS_A_CHILD:
            child.stop()
            return
        with self._lock:
            self._idle.append(child)
            self._last_used = monotonic()
            if self._timer is None:
                self._arm(self._idle_seconds)

    def _arm(self, seconds: float) -> None:
        timer = threading.Timer(seconds, self._rest_when_idle)
        timer.daemon = True
        with contextlib.suppress(RuntimeError):  # out of threads: the next document arms it
            timer.start()
            self._timer = timer

    def _rest_when_idle(self) -> None:
        with self._lock:
            if self._timer is not threading.current_thread():
                return  # closed meanwhile
            left = self._last_used + self._idle_seconds - monotonic()
            self._timer = None
            if left > 0:
                self._arm(left)
                return
        self.rest()


def _parse_here(reply: Fetched) -> ParsedFeed | None:
    try:
        return parse_quickly(
            reply.body,
            content_type=reply.content_type,
            url=reply.final_url,
            points=reply.request.points,
            slices=reply.request.slices,
        )
    except ParseError:
        raise
    except Exception:  # noqa: BLE001  (whatever is wrong with it: the child can afford to die over it)
        return None


class _Places:
    """How many children work at one time. One that is long at it no longer counts, up to a bound: others go on."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._changed = threading.Condition()
        self._own = threading.local()
        #: When each that works began, the latest last.
        self._begun: list[float] = []

    def __enter__(self) -> None:
        with self._changed:
            while wait := self._find_wait():
                self._changed.wait(None if wait < 0 else wait)
            self._own.began = monotonic()
            self._begun.append(self._own.began)

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._begun.remove(self._own.began)
            self._changed.notify_all()

    def _find_wait(self) -> float:
        """Seconds until there may be a place; 0: there is one, -1: only when another is given back."""
        if len(self._begun) >= self._count + LONG_PLACES:
            return -1
        if len(self._begun) < self._count:
            return 0
        # The last of them that still keeps a place from others.
        return max(0.0, self._begun[-self._count] + LONG_SECONDS - monotonic())


class _Child:
    """One child process and the pipe to it."""

    def __init__(self, cpu_seconds: int, memory_bytes: int) -> None:
        root = str(Path(__file__).resolve().parent.parent)
        self.documents = 0
        self._timed_out = threading.Event()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _START, root, str(cpu_seconds), str(memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            start_new_session=True,  # a Ctrl-C at the terminal is the daemon's to handle
        )

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, reply: Fetched, max_seconds: float) -> bytes:
        """The answer to one document; `EOFError` or `OSError` when the child died over it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self.documents += 1
        page = reply.request.page and astuple(reply.request.page)
        head = json.dumps([reply.content_type, reply.final_url, page, reply.request.points]).encode("ascii")
        alarm = threading.Timer(max_seconds, self._time_out)
        alarm.daemon = True
        alarm.start()
        try:
            for part in (head, reply.body):
                _write_message(self._process.stdin, part)
            return _read_message(self._process.stdout)
        finally:
            alarm.cancel()
            alarm.join()

    def _time_out(self) -> None:
        self._timed_out.set()
        self._process.kill()

    def kill(self, max_seconds: float, limits: tuple[int, int]) -> str:
        """End the child and say why it had to die."""
        try:
            self._process.wait(timeout=0.5)  # its own end says more than ours would
        except subprocess.TimeoutExpired:
            self._process.kill()
        code = self.stop()
        if self._timed_out.is_set():
            return f"reading it took more than {max_seconds:g} seconds"
        if code == -signal.SIGXCPU:
            return f"reading it took more than {limits[0]} seconds of computing"
        return f"the parser died over it (exit code {code}; it may use {limits[1] >> 20} MiB)"

    def stop(self) -> int:
        """Close its input, which ends it, and wait."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not written any more
                    pipe.close()
        try:
            return self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def serve(cpu_seconds: int, memory_bytes: int) -> None:
    """The child's side: answer until the input ends. Called by no one else."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    silence = os.open(os.devnull, os.O_RDWR)
    for noisy in (0, 1, 2):  # whatever a library prints goes nowhere near the protocol
        os.dup2(silence, noisy)
    from aggregator.pipeline.parse import parse_feed

    _give_way()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    while True:
        try:
            content_type, url, page, points = json.loads(_read_message(requests))
            body = _read_message(requests)
        except EOFError:
            return
        used = resource.getrusage(resource.RUSAGE_SELF)
        # The limit counts from the start of the process, so it moves with every document.
        limit = int(used.ru_utime + used.ru_stime) + cpu_seconds + 1
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
        try:
            rules = page and PageRules(**dict(zip(_RULES, page, strict=True)))
            answer: ParsedFeed | ParseError = parse_feed(
                body, content_type=content_type, url=url, page=rules, points=points
            )
        except ParseError as error:
            answer = error
        _write_message(answers, encode_answer(answer))


def _give_way() -> None:
    """To all that the daemon does; on Linux a session may have a share of its own beside it (sched(7), autogroup)."""
    os.nice(_NICE)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_NICE), encoding="ascii")


def _write_message(pipe: IO[bytes], content: bytes) -> None:
    pipe.write(_LENGTH.pack(len(content)))
    pipe.write(content)
    pipe.flush()


def _read_message(pipe: IO[bytes]) -> bytes:
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError("the other side has ended")
    (length,) = _LENGTH.unpack(head)
    if length > _MAX_ANSWER:
        raise ValueError(f"a message of {length:,} bytes")
    content = pipe.read(length)
    if len(content) < length:
        raise EOFError("the other side ended in the middle of a message")
    return content
