"""The door of this room: folders are read at once, the rest goes to the HTTP client. Never raises for a feed."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from aiohttp.abc import AbstractResolver

from aggregator.fetch.client import HttpFetcher
from aggregator.fetch.folder import SCHEME, read_folder
from aggregator.model.feed import FetchFailed, FetchRequest, Reply
from aggregator.model.settings import FetchSettings


class FeedFetcher:
    """Asks feeds of every kind. ``resolver`` replaces the system's name server (tests)."""

    def __init__(self, settings: FetchSettings, *, resolver: AbstractResolver | None = None) -> None:
        self._http = HttpFetcher(settings, resolver=resolver)

    def fetch(self, requests: Sequence[FetchRequest]) -> Generator[Reply, None, None]:
        """Yields one reply a request, as they come."""
        for request in requests:
            if request.url.startswith(SCHEME):
                yield _read(request)
        yield from self._http.fetch([request for request in requests if not request.url.startswith(SCHEME)])

    def close(self) -> None:
        """Ends what is under way and closes all connections. May be called twice."""
        self._http.close()


def _read(request: FetchRequest) -> Reply:
    try:
        return read_folder(request)
    except Exception as error:  # noqa: BLE001 - one feed's trouble, whatever it is, must not end the round
        reason = f"unexpected {type(error).__name__} while the folder was read: {error}"
        return FetchFailed(request=request, failure_class="folder", reason=reason)
