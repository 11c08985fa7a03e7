"""Many readers, few renderings: the cache in its own event loop, with a stage whose pages a test can hold back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from aggregator.errors import DatabaseUnavailable
from aggregator.tasks.site.found import Moved
from aggregator.web.cache import Answer, Failed, Pace, PageCache
from aggregator.web.copies import Copy
from aggregator.web.errors import ErrorLog
from tests.web.stage import TEXT, Stage

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

LOOKS_ALWAYS = Pace(watch_seconds=0, patience_seconds=0, retry_seconds=60)
FRONT = ("/", ())
MANY = 50


def run(work: Callable[[], Awaitable[None]]) -> None:
    """In a thread: a browser that another test has opened keeps a loop running in this one."""

    async def all_of_it() -> None:
        await asyncio.wait_for(work(), 60)

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, all_of_it()).result()


def read(answer: Answer) -> str:
    assert isinstance(answer, Copy)
    return answer.page.body.decode()


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The events that the cache writes down."""

    class Log:
        def error(self, event: str, **_: object) -> None:
            lines.append(event)

    lines: list[str] = []
    for module in ("cache", "errors"):
        monkeypatch.setattr(f"aggregator.web.{module}.log", Log())
    yield lines


def test_many_readers_of_a_new_page_have_it_made_once(stage: Stage) -> None:
    async def work() -> None:
        cache = PageCache(stage.app, errors=ErrorLog(), pace=LOOKS_ALWAYS)
        await cache.prepare()
        readers = [asyncio.ensure_future(cache.find(FRONT)) for _ in range(MANY)]
        await asyncio.to_thread(stage.begun.wait)
        readers += [asyncio.ensure_future(cache.find(FRONT)) for _ in range(MANY)]
        await asyncio.sleep(0)
        assert not any(reader.done() for reader in readers) and cache.get_fresh(FRONT) is None
        stage.gate.set()
        copies = await asyncio.gather(*readers)
        assert {read(copy) for copy in copies} == {TEXT} and len({id(copy) for copy in copies}) == 1
        assert cache.get_fresh(FRONT) is copies[0]

    stage.write("/")
    stage.gate.clear()
    run(work)
    assert stage.made == ["/"]


def test_while_a_page_is_made_anew_readers_get_the_old_one_and_then_the_new(stage: Stage) -> None:
    async def work() -> None:
        cache = PageCache(stage.app, errors=ErrorLog(), pace=LOOKS_ALWAYS)
        await cache.prepare()
        await cache.find(FRONT)
        stage.gate.clear()
        stage.begun.clear()
        stage.write("/", "new")
        stage.commit()
        await cache.prepare()
        assert cache.get_fresh(FRONT) is None
        old = [read(await cache.find(FRONT)) for _ in range(MANY)]
        await asyncio.to_thread(stage.begun.wait)
        stage.gate.set()
        while cache.get_fresh(FRONT) is None:  # noqa: ASYNC110  (the flight has no event of its own)
            await asyncio.sleep(0.01)
        assert set(old) == {TEXT} and read(await cache.find(FRONT)) == "new"

    stage.write("/")
    run(work)
    assert stage.made == ["/", "/"]


def test_who_waits_a_moment_gets_the_new_page(stage: Stage) -> None:
    async def work() -> None:
        cache = PageCache(stage.app, errors=ErrorLog(), pace=replace(LOOKS_ALWAYS, patience_seconds=20))
        await cache.prepare()
        await cache.find(FRONT)
        stage.write("/", "new")
        stage.commit()
        await cache.prepare()
        news = await asyncio.gather(*(cache.find(FRONT) for _ in range(MANY)))
        assert {read(copy) for copy in news} == {"new"}

    stage.write("/")
    run(work)
    assert stage.made == ["/", "/"]


def test_who_asks_after_a_long_time_waits_for_the_new_page(stage: Stage) -> None:
    """However impatient: what nobody has asked for since stands in for nothing."""

    async def work() -> None:
        cache = PageCache(stage.app, errors=ErrorLog(), pace=replace(LOOKS_ALWAYS, old_seconds=-1))
        await cache.prepare()
        await cache.find(FRONT)
        stage.write("/", "new")
        stage.commit()
        await cache.prepare()
        assert read(await cache.find(FRONT)) == "new"

    stage.write("/")
    run(work)


def test_the_watch_sees_a_commit_though_nobody_asks(stage: Stage) -> None:
    async def work() -> None:
        cache = PageCache(stage.app, errors=ErrorLog(), pace=Pace(watch_seconds=0.01))
        await cache.prepare()
        assert cache.is_watched
        await cache.find(FRONT)
        stage.commit()
        while cache.get_fresh(FRONT) is not None:  # noqa: ASYNC110  (the watch tells nobody)
            await asyncio.sleep(0.01)

    stage.write("/")
    run(work)


def test_a_fault_costs_only_its_page_is_told_once_and_not_remembered(stage: Stage, logged: list[str]) -> None:
    async def work() -> None:
        cache = PageCache(stage.app, errors=ErrorLog(), pace=LOOKS_ALWAYS)
        await cache.prepare()
        stage.fault = ZeroDivisionError("secret")
        assert set(await asyncio.gather(*(cache.find(FRONT) for _ in range(MANY)))) == {Failed(500)}
        assert (stage.made, logged) == (["/"], ["web.fault"])
        stage.fault = None
        assert read(await cache.find(FRONT)) == TEXT

    stage.write("/")
    run(work)


@pytest.mark.parametrize("fault", [ZeroDivisionError("x"), DatabaseUnavailable("x")])
def test_a_page_that_cannot_be_made_anew_stays_as_it_was(stage: Stage, logged: list[str], fault: Exception) -> None:
    async def work() -> None:
        cache = PageCache(stage.app, errors=ErrorLog(), pace=replace(LOOKS_ALWAYS, patience_seconds=20))
        await cache.prepare()
        await cache.find(FRONT)
        stage.fault = fault
        stage.commit()
        await cache.prepare()
        assert {read(await cache.find(FRONT)) for _ in range(MANY)} == {TEXT}
        assert stage.made == ["/", "/"] and len(logged) == 1, "it is left alone for a while"

    stage.write("/")
    run(work)


def test_what_is_not_there_is_not_remembered_and_what_is_gone_goes(stage: Stage) -> None:
    async def work() -> None:
        cache = PageCache(stage.app, errors=ErrorLog(), pace=replace(LOOKS_ALWAYS, patience_seconds=20))
        await cache.prepare()
        for number in range(3):
            assert await cache.find((f"/nowhere/{number}", ())) is None
        assert cache.size == 0
        stage.pages["/stories/2"] = Moved(path="/stories/1")
        assert await cache.find(("/stories/2", ())) == Moved(path="/stories/1")
        await cache.find(FRONT)
        assert cache.size > len(TEXT)
        del stage.pages["/"]
        stage.commit()
        await cache.prepare()
        assert await cache.find(FRONT) is None and cache.size == 0

    stage.write("/")
    run(work)


def test_memory_is_bounded_coded_bytes_included_and_queries_push_no_page_out(stage: Stage) -> None:
    async def work() -> None:
        cache = PageCache(stage.app, errors=ErrorLog(), pace=LOOKS_ALWAYS, max_bytes=100_000)
        await cache.prepare()
        first = await cache.find(FRONT)
        assert isinstance(first, Copy)
        assert first.weight > sum(len(variant.body) for variant in first.variants.values())
        for number in range(200):
            assert read(await cache.find(("/search", (("q", str(number)),)))) == TEXT
        assert cache.get_fresh(FRONT) is first and 100_000 < cache.size + first.weight <= 200_000
        for number in range(200):
            stage.write(f"/entries/{number}")
            await cache.find((f"/entries/{number}", ()))
            await cache.find(FRONT)
        assert cache.get_fresh(FRONT) is first, "who is asked for stays"
        assert cache.get_fresh(("/entries/0", ())) is None and cache.size <= 200_000
        stage.write("/large", "x" * 200_000)
        assert isinstance(await cache.find(("/large", ())), Copy)
        assert cache.get_fresh(("/large", ())) is None and cache.get_fresh(FRONT) is first

    stage.write("/")
    stage.write("/search")
    run(work)


def test_searches_leave_room_for_pages_and_a_crowd_is_told_to_come_back(stage: Stage) -> None:
    async def work() -> None:
        cache = PageCache(stage.app, errors=ErrorLog(), pace=LOOKS_ALWAYS, max_waiting=10)
        await cache.prepare()
        searches = [asyncio.ensure_future(cache.find(("/search", (("q", str(n)),)))) for n in range(9)]
        page = asyncio.ensure_future(cache.find(FRONT))
        while "/" not in stage.made or len(stage.made) < 3:  # noqa: ASYNC110  (the stage is in other threads)
            await asyncio.sleep(0.01)
        assert sorted(stage.made) == ["/", "/search?q=0", "/search?q=1"]
        assert await cache.find(("/feeds", ())) == Failed(503)
        stage.gate.set()
        await asyncio.gather(page, *searches)
        assert await cache.find(("/feeds", ())) is None

    stage.write("/")
    stage.gate.clear()
    run(work)


def test_while_the_database_is_away_what_is_here_still_goes_out(stage: Stage, logged: list[str]) -> None:
    class Flaky:
        """The database, or none."""

        url_text, dialect = "sqlite:///gone", "sqlite"
        is_away = False

        def read(self) -> AbstractContextManager[sa.Connection]:
            if self.is_away:
                raise DatabaseUnavailable("it is gone")
            return stage.app.db.read()

    async def work() -> None:
        database: Any = Flaky()
        cache = PageCache(replace(stage.app, db=database), errors=ErrorLog(), pace=LOOKS_ALWAYS)
        await cache.prepare()
        await cache.find(FRONT)
        database.is_away = True
        for _ in range(3):
            await cache.prepare()
            assert cache.get_fresh(FRONT) is not None
        assert logged == ["web.blind"], "said once"
        database.is_away = False
        stage.commit()
        await cache.prepare()
        assert cache.get_fresh(FRONT) is None

    stage.write("/")
    run(work)
