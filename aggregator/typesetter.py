"""Sets an issue: every variant of it rendered, small enough to be shown whole. Never lets a template cost the daemon.

The shipped templates are rendered in this process: tests have tried what they do. When the editor brings any of their
own, a child process does it: a fresh interpreter with limits of memory, computing and time, which reads one request on
its standard input (pickled here, so trusted) and writes one answer of JSON (never pickle: it must not get further by
its answer). A template that never ends, or kills the engine, costs that child and is a `RenderError`.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import resource
import signal
import subprocess
import sys
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NoReturn

from aggregator.errors import RenderError
from aggregator.model.newsletter import ComposedIssue, IssueEdits, RenderedIssue
from aggregator.model.settings import Site
from aggregator.model.subscriber import Wishes, read_variant
from aggregator.model.tag import Tag
from aggregator.pipeline.compose import shrink_issue
from aggregator.render.newsletter import render_narrowed, render_nothing, too_large
from aggregator.render.templates import Templates
from aggregator.render.variants import narrow_issue

_START = (
    "import sys; sys.path.append(sys.argv[1]); from aggregator.typesetter import serve; serve(*map(int, sys.argv[2:]))"
)
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")
_MAX_ANSWER = 64 * 1024 * 1024
_NICE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one child."""

    seconds: float = 60.0
    cpu_seconds: int = 30
    memory_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be set."""

    issue: ComposedIssue
    edits: IssueEdits
    #: `RenderedIssue.variant`, without the whole issue itself.
    variants: tuple[str, ...]
    site: Site
    tags: Mapping[str, Tag] = field(repr=False)
    templates: Templates = field(repr=False)
    archive_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetIssue:
    """An issue ready to be frozen."""

    #: As the whole issue was set: its lowest stories moved to the web until the mail was small enough.
    issue: ComposedIssue
    #: The whole issue first, then one for each variant, in the order they were asked for.
    renderings: tuple[RenderedIssue, ...]


UNEDITED = IssueEdits()
USUAL = Limits()


def set_issue(
    issue: ComposedIssue,
    *,
    edits: IssueEdits = UNEDITED,
    variants: Sequence[str] = (),
    site: Site,
    tags: Mapping[str, Tag],
    templates: Templates,
    archive_url: str,
    limits: Limits = USUAL,
) -> SetIssue:
    """The whole issue and each of its ``variants``. Raises RenderError. Not for within a transaction: it takes time."""
    wanted = tuple(dict.fromkeys(variant for variant in variants if variant))
    order = Order(
        issue=issue, edits=edits, variants=wanted, site=site, tags=tags, templates=templates, archive_url=archive_url
    )
    if not templates.has_own():
        found = _set_all(order)
    else:
        found = _ask_child(order, limits)
    return SetIssue(issue=_find_step(issue, found[0][0]), renderings=tuple(rendered for _, rendered in found))


def _set_all(order: Order) -> list[tuple[int, RenderedIssue]]:
    return [_set_within_limit(order, variant) for variant in ("", *order.variants)]


def _set_within_limit(order: Order, variant: str) -> tuple[int, RenderedIssue]:
    """The rendering, and how many stories had to be moved down for it."""
    wishes = read_variant(variant)
    issue = narrow_issue(order.issue, wishes)
    if issue is None:
        return 0, render_nothing(wishes)
    rendered = _render(order, wishes, issue)
    if not too_large(rendered):
        return 0, rendered
    # A step of shrinking is cheap, rendering is not: the first step that is small enough is looked for by halves.
    steps = [issue, *_iter_smaller(issue)]
    results: dict[int, RenderedIssue] = {}

    def fits(step: int) -> bool:
        results[step] = _render(order, wishes, steps[step])
        return not too_large(results[step])

    first = bisect_left(range(len(steps)), True, lo=1, key=fits)
    if first == len(steps):
        raise RenderError(f"{order.issue.newsletter.template}: the mail is too large even with one story in it")
    return first, results[first]


def _iter_smaller(issue: ComposedIssue) -> Iterator[ComposedIssue]:
    smaller = shrink_issue(issue)
    while smaller is not None:
        yield smaller
        smaller = shrink_issue(smaller)


def _find_step(issue: ComposedIssue, step: int) -> ComposedIssue:
    return next(found for number, found in enumerate((issue, *_iter_smaller(issue))) if number == step)


def _render(order: Order, wishes: Wishes, issue: ComposedIssue) -> RenderedIssue:
    return render_narrowed(
        issue,
        site=order.site,
        tags=order.tags,
        templates=order.templates,
        archive_url=order.archive_url,
        edits=order.edits,
        wishes=wishes,
    )


# The child, seen from here.


def _ask_child(order: Order, limits: Limits) -> list[tuple[int, RenderedIssue]]:
    root = str(Path(__file__).resolve().parent.parent)
    name = order.issue.newsletter.template
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _START, root, str(limits.cpu_seconds), str(limits.memory_bytes)],
            input=pickle.dumps(order),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={key: os.environ[key] for key in _ENVIRONMENT if key in os.environ},
            start_new_session=True,  # a Ctrl-C at the terminal is the daemon's to handle
            timeout=limits.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RenderError(f"{name}: rendering took more than {limits.seconds:g} seconds") from error
    except OSError as error:  # out of processes, files or memory: that passes
        raise RenderError(f"{name}: no process could be started to render it: {error}") from error
    if done.returncode == -signal.SIGKILL:
        raise RenderError(f"{name}: rendering took more than {limits.cpu_seconds} seconds of computing")
    return _read_answer(done.stdout, f"{name}: rendering it died (exit code {done.returncode}; {_say_room(limits)})")


def _say_room(limits: Limits) -> str:
    return f"it may use {limits.memory_bytes >> 20} MiB and {_MAX_ANSWER >> 20} MiB of output"


def _read_answer(answer: bytes, otherwise: str) -> list[tuple[int, RenderedIssue]]:
    try:
        found = json.loads(answer)
        if isinstance(found, str):
            raise RenderError(found)
        return [(int(step), RenderedIssue(**fields)) for step, fields in found]
    except RenderError:
        raise
    except Exception as error:
        raise RenderError(otherwise) from error


# The child itself.


def serve(cpu_seconds: int, memory_bytes: int) -> NoReturn:
    """Answer the one request. Called by no one else."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    silence = os.open(os.devnull, os.O_RDWR)
    for noisy in (0, 1, 2):  # whatever a library prints goes nowhere near the answer
        os.dup2(silence, noisy)
    order = pickle.loads(requests.read())
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + cpu_seconds + 1
    # First a word that names the template's line; then, for what does not listen, the end.
    signal.signal(signal.SIGXCPU, _stop_computing)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 2))
    answer: object
    try:
        answer = [(step, asdict(rendered)) for step, rendered in _set_all(order)]
    except RenderError as error:
        answer = str(error)
    except MemoryError:
        answer = f"{order.issue.newsletter.template}: rendering it took more than {memory_bytes >> 20} MiB of memory"
    with contextlib.suppress(MemoryError):
        data = json.dumps(answer).encode("ascii")
        if len(data) <= _MAX_ANSWER:
            answers.write(data)
            answers.flush()
    os._exit(0)


def _stop_computing(*_: object) -> NoReturn:
    raise TimeoutError("it does not end")
