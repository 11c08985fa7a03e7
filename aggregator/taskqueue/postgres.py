"""Jobs in PostgreSQL, for any number of processes on any number of machines (Procrastinate 3). Never knows a task.

A job holds ids only. Of each key one job waits (Procrastinate's ``queueing_lock``) and one runs (its ``lock``), whoever
runs it; unless its process was silent for so long that it passed for dead. One that fails is tried again later and
later; one whose process is gone, or says nothing any more, is taken back by the others. As everywhere a lost or doubled
job is harmless: due dates live in rows, and tasks claim them.

Procrastinate's own retries are not used: a job that goes back to those that wait breaks the ``queueing_lock`` of one
that was queued meanwhile, and then runs for ever as far as the table can tell, its key locked.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias, cast

import procrastinate
from procrastinate import exceptions
from procrastinate.jobs import DeleteJobCondition, Status
from procrastinate.worker import Worker

from aggregator.errors import DatabaseUnavailable, StorageError
from aggregator.log import get_logger
from aggregator.model.lane import Lane
from aggregator.taskqueue.local import LocalQueue

log = get_logger(__name__)

Ids: TypeAlias = Mapping[str, int | str]

#: What is taken first of what waits; all else has 0.
PRIORITIES = {"deliver": 30, "letters": 30, "search": 10}
#: Of these a process runs one at a time: it fetches as fast alone, and the others of them are for other processes.
ONE_AT_A_TIME = frozenset({"round", "fetch"})
#: They wait for a thread of this very process, and mean nothing to another.
OF_THIS_PROCESS = frozenset({"tail"})

#: Asked for when a process was found to be gone: it may have had more than jobs.
RECOVER = "recover"

#: A job that was held up by a twin is found so soon after that has ended; of all others a process is told at once.
LOOK_SECONDS = 1.0
#: A process says so often that it is there,
HEARTBEAT_SECONDS = 2.0
#: and when it has not for so long, the jobs it has are given to others.
SILENCE_SECONDS = 8.0
#: What failed waits so long for its next try, then twice and four times as long, up to ten minutes.
RETRY_SECONDS, LAST_RETRY_SECONDS = 5, 600
#: While the database is away, a process looks for it again after so long, at first and at last.
FIRST_LOOK_SECONDS, LAST_LOOK_SECONDS = 1.0, 30.0
_CONNECT_SECONDS = 5.0
#: A fault that Procrastinate's functions raise themselves: the job is not there, or not begun (PostgreSQL, appendix A).
_RAISED = "P0001"
#: What Procrastinate calls the task of a job.
_JOB = re.compile(r"process job .*\[(\d+)\]")
#: Procrastinate's queues: of what a process does one at a time, and of all else.
_FETCHING, _OTHERS = "fetch", "others"
#: Procrastinate's own counts know no age. There are few rows: of a key two at most, and what has ended is taken away.
_MEASURE = """
SELECT queue_name AS name,
       count(turn_at) AS waiting,
       count(*) FILTER (WHERE status = 'todo' AND turn_at IS NULL) AS later,
       count(*) FILTER (WHERE status = 'doing') AS running,
       greatest(coalesce(extract(epoch FROM now() - min(turn_at)), 0), 0)::float8 AS oldest_seconds
FROM (
    SELECT queue_name, status,
           CASE WHEN status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now()) AND NOT EXISTS (
                SELECT 1 FROM procrastinate_jobs AS twin WHERE twin.lock = job.lock AND twin.status = 'doing')
           THEN coalesce(scheduled_at, (SELECT min(at) FROM procrastinate_events WHERE job_id = job.id), now())
           END AS turn_at
    FROM procrastinate_jobs AS job WHERE status IN ('todo', 'doing')
) AS jobs GROUP BY queue_name"""


class PostgresQueue:
    """Jobs by name and key, in the database at ``url`` (as libpq takes it). Opens no connection before it is used."""

    #: Other processes take its jobs, too.
    is_shared = True

    def __init__(self, url: str, *, workers: int = 12) -> None:
        """``workers``: jobs that this process runs at a time, beside one that fetches."""
        self._url = url
        self._workers = workers
        self._here = LocalQueue()
        self._asking = threading.Lock()
        self._asks: procrastinate.App | None = None
        self._stopping = threading.Event()
        #: While the loop of `run` runs.
        self._turning = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()
        #: By key, since it last ended well here.
        self._failures: Counter[str] = Counter()
        #: Jobs that have ended although their rows do not say so yet.
        self._unended: set[int] = set()
        # Procrastinate's own lines would say each job three times; what failed is said below.
        logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)

    def defer(self, task: str, *, key: str, **ids: int | str) -> bool:
        """Queue one call of ``task`` with ``ids``; False when a job of the same key is waiting already.

        Raises `DatabaseUnavailable`.
        """
        if task in OF_THIS_PROCESS:
            return self._here.defer(task, key=key, **ids)
        return self._defer(task, key, ids)

    def _defer(self, task: str, key: str, ids: Ids, wait_seconds: int = 0) -> bool:
        try:
            self._open_asks().configure_task(
                task,
                lock=key,
                queueing_lock=key,
                priority=PRIORITIES.get(task, 0),
                queue=_choose_queue(task),
                schedule_in={"seconds": wait_seconds} if wait_seconds else None,  # 0 is a matter of two clocks
            ).defer(**ids)
        except exceptions.AlreadyEnqueued:
            return False
        except exceptions.ConnectorException as error:
            raise DatabaseUnavailable(f"the job queue: {_say(error)}") from error
        return True

    def run(self, tasks: Mapping[str, Callable[..., None]]) -> None:
        """Take jobs until `stop` is called; returns when the jobs that had begun are finished.

        While the database is away it waits for it.
        """
        here = threading.Thread(target=self._here.run, args=(tasks,), name="jobs-here")
        here.start()
        try:
            asyncio.run(self._work_until_stopped(tasks))
        finally:
            self._here.stop()
            here.join()

    def stop(self) -> None:
        """Begin no further job; those that wait are left to others."""
        self._stopping.set()
        self._here.stop()
        with self._turning:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._ended.set)

    def measure(self) -> Sequence[Lane]:
        """Each lane of the whole cluster. Raises `DatabaseUnavailable`."""
        try:
            rows = self._open_asks().connector.get_sync_connector().execute_query_all(_MEASURE)
        except exceptions.ConnectorException as error:
            raise DatabaseUnavailable(f"the job queue: {_say(error)}") from error
        found = {str(row["name"]): Lane(**row) for row in rows}
        return tuple(
            found.get(name) or Lane(name=name, waiting=0, later=0, running=0, oldest_seconds=0.0)
            for name in (_FETCHING, _OTHERS)
        )

    def close(self) -> None:
        """The connections that jobs were queued through."""
        with self._asking:
            if self._asks is not None:
                self._asks.close()
                self._asks = None

    def _open_asks(self) -> procrastinate.App:
        with self._asking:
            if self._asks is None:
                connector = procrastinate.SyncPsycopgConnector(
                    conninfo=self._url, min_size=0, max_size=2, timeout=_CONNECT_SECONDS
                )
                asks = procrastinate.App(connector=connector)
                asks.open()
                self._asks = asks
            return self._asks

    async def _work_until_stopped(self, tasks: Mapping[str, Callable[..., None]]) -> None:
        # One of asyncio's own would have few threads on a small machine, and jobs that had begun would wait for one.
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(self._workers + 4, thread_name_prefix="worker"))
        with self._turning:
            self._loop = loop
        wait = FIRST_LOOK_SECONDS
        try:
            while not self._stopping.is_set():
                began_at = loop.time()
                try:
                    await self._work(tasks)
                except Exception as error:
                    if not isinstance(error, exceptions.ProcrastinateException | StorageError):
                        log.exception("queue.fault")
                    wait = FIRST_LOOK_SECONDS if loop.time() - began_at > LAST_LOOK_SECONDS else wait
                    log.warning("queue.away", reason=_say(error), again_in_seconds=wait)
                    await _wait(self._ended, wait)
                    wait = min(2 * wait, LAST_LOOK_SECONDS)
        finally:
            with self._turning:
                self._loop = None

    async def _work(self, tasks: Mapping[str, Callable[..., None]]) -> None:
        """Until we are stopped, or the connection is lost, which raises.

        Nothing here is cancelled: in this Python `asyncio.wait_for`, which psycopg's pool uses, may swallow that.
        """
        connector = procrastinate.PsycopgConnector(conninfo=self._url, min_size=0, max_size=6, timeout=_CONNECT_SECONDS)
        works = procrastinate.App(connector=connector)
        for name, call in tasks.items():
            works.task(name=name, pass_context=True)(partial(self._call, call))
        over = asyncio.Event()
        asyncio.get_running_loop().set_exception_handler(self._note_fault)
        async with works.open_async():
            workers = [_make_worker(works, _FETCHING, 1), _make_worker(works, _OTHERS, self._workers)]
            ends = [asyncio.ensure_future(event.wait()) for event in (self._ended, over)]
            parts = [
                asyncio.ensure_future(worker.run())  # type: ignore[no-untyped-call]
                for worker in workers
            ]
            parts.append(asyncio.ensure_future(self._take_back(works, over)))
            await asyncio.wait([*ends, *parts], return_when=asyncio.FIRST_COMPLETED)
            over.set()
            for end in ends:
                end.cancel()
            for worker in workers:  # it takes no further job and ends when those it has are finished
                worker.stop()  # type: ignore[no-untyped-call]
            results = await asyncio.gather(*parts, return_exceptions=True)
        if not self._stopping.is_set():
            faults = [result for result in results if isinstance(result, Exception)]
            raise faults[0] if faults else DatabaseUnavailable("the connection was lost")

    def _note_fault(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What a task of the loop raised to nobody: of a job, that its end could not be written into its row."""
        task, error = context.get("future") or context.get("task"), context.get("exception")
        found = _JOB.fullmatch(task.get_name()) if isinstance(task, asyncio.Task) else None
        if found:
            self._unended.add(int(found[1]))
        else:
            log.error("queue.fault", reason=_say(error) if error else context.get("message"))

    async def _take_back(self, works: procrastinate.App, over: asyncio.Event) -> None:
        """Every few seconds: end what has ended, and queue anew what silent processes had.

        Under another number: one that was only slow ends its own row, not that of whoever does its work by then.
        """
        jobs = works.job_manager
        while not over.is_set():
            for number in tuple(self._unended):
                if await _end(works, number):
                    self._unended.discard(number)
            stalled = await jobs.get_stalled_jobs(seconds_since_heartbeat=SILENCE_SECONDS)
            for job in stalled:
                # It waits for the old one's lock, so that a twin which waits already is not passed by.
                await asyncio.to_thread(self._defer, job.task_name, job.lock or "", cast("Ids", job.task_kwargs))
                if job.id is not None and await _end(works, job.id):
                    log.warning("job.taken_back", task=job.task_name, **job.task_kwargs)
            if stalled and RECOVER in works.tasks:
                await asyncio.to_thread(self._defer, RECOVER, RECOVER, {})
            await _wait(over, HEARTBEAT_SECONDS)

    def _call(self, call: Callable[..., None], context: procrastinate.JobContext, **ids: int | str) -> None:
        """One job, in a thread of its own; never raises: see above."""
        task, key = context.job.task_name, context.job.lock or ""
        try:
            call(**ids)
        except StorageError as error:
            log.warning("job.failed", task=task, reason=str(error), **ids)  # what is due stays due
        except Exception:
            # A task that fails is a fault to be seen, but the other rows go on; its row stays due.
            wait = min(RETRY_SECONDS * 2 ** self._failures[key], LAST_RETRY_SECONDS)
            self._failures[key] += 1
            is_queued = False
            with suppress(DatabaseUnavailable):
                is_queued = self._defer(task, key, ids, wait)
            # Else one waits that was queued meanwhile, and is next.
            log.exception("job.failed", task=task, again_in_seconds=wait if is_queued else 0, **ids)
        else:
            self._failures.pop(key, None)


def _make_worker(works: procrastinate.App, queue: str, concurrency: int) -> Worker:
    return Worker(
        app=works,
        queues=[queue],
        name=queue,
        concurrency=concurrency,
        fetch_job_polling_interval=LOOK_SECONDS,
        install_signal_handlers=False,
        delete_jobs=DeleteJobCondition.ALWAYS,
        update_heartbeat_interval=HEARTBEAT_SECONDS,
        stalled_worker_timeout=SILENCE_SECONDS,
    )


async def _end(works: procrastinate.App, number: int) -> bool:
    """Take a job's row away; whether it is gone. Somebody else may have done it."""
    try:
        await works.job_manager.finish_job_by_id_async(number, status=Status.FAILED, delete_job=True)
    except exceptions.ConnectorException as error:
        return getattr(error.__cause__, "sqlstate", "") == _RAISED
    return True


async def _wait(event: asyncio.Event, seconds: float) -> None:
    waiting = asyncio.ensure_future(event.wait())
    await asyncio.wait([waiting], timeout=seconds)
    waiting.cancel()


def _choose_queue(task: str) -> str:
    return _FETCHING if task in ONE_AT_A_TIME else _OTHERS


def _say(error: BaseException) -> str:
    """In one line; Procrastinate's error holds the driver's as its cause."""
    lines = str(error.__cause__ or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
