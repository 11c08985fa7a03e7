"""The door of this room: folders are read at once, the rest goes to the HTTP client. Never raises for a feed."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import overload

from aiohttp.abc import AbstractResolver

from aggregator.fetch.client import HttpFetcher
from aggregator.fetch.folder import read_folder
from aggregator.model.feed import FOLDER_SCHEME, FetchFailed, FetchRequest, Reply
from aggregator.model.settings import FetchSettings


class FeedFetcher:
    """Asks feeds of every kind. ``resolver`` replaces the system's name server (tests)."""

    def __init__(self, settings: FetchSettings, *, resolver: AbstractResolver | None = None) -> None:
        self._http = HttpFetcher(settings, resolver=resolver)

    @overload
    def fetch(self, requests: Iterable[FetchRequest]) -> Generator[Reply, None, None]: ...
    @overload
    def fetch(self, requests: Iterable[FetchRequest], *, tick: float) -> Generator[Reply | None, None, None]: ...
    def fetch(
        self, requests: Iterable[FetchRequest], *, tick: float | None = None
    ) -> Generator[Reply | None, None, None]:
        """Yields one reply a request, as they come; with ``tick`` None, too, whenever so many seconds bring none."""
        folders: list[FetchRequest] = []
        web = _sort_out(requests, folders)
        with closing(self._http.fetch(web) if tick is None else self._http.fetch(web, tick=tick)) as replies:
            yield from _mix(replies, folders)

    def close(self) -> None:
        """Ends what is under way and closes all connections. May be called twice."""
        self._http.close()


def _mix(replies: Iterable[Reply | None], folders: list[FetchRequest]) -> Iterator[Reply | None]:
    for reply in replies:
        while folders:
            yield _read(folders.pop())
        yield reply
    while folders:
        yield _read(folders.pop())


def _sort_out(requests: Iterable[FetchRequest], folders: list[FetchRequest]) -> Iterator[FetchRequest]:
    """Those for the network; the others go to ``folders`` on the way."""
    for request in requests:
        if request.url.startswith(FOLDER_SCHEME):
            folders.append(request)
        else:
            yield request


def _read(request: FetchRequest) -> Reply:
    try:
        return read_folder(request)
    except Exception as error:  # noqa: BLE001 - one feed's trouble, whatever it is, must not end the round
        reason = f"unexpected {type(error).__name__} while the folder was read: {error}"
        return FetchFailed(request=request, failure_class="folder", reason=reason)
