"""What every test of this room needs: a fetcher that may reach 127.0.0.1, and short ways to ask with it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from aggregator.fetch.address import PinningResolver
from aggregator.fetch.feeds import FeedFetcher
from aggregator.model.feed import FetchRequest, Reply
from aggregator.model.ids import FeedId
from aggregator.model.settings import FetchSettings

#: Loopback is let through as an editor would let it through; time-outs are short enough for tests to wait for them.
SETTINGS = FetchSettings(
    allow_networks=("127.0.0.0/8",),
    timeout_seconds=10.0,
    max_bytes=1024 * 1024,
    user_agent="Tests/1 (+https://example.org)",
)


class FixedResolver(AbstractResolver):
    """Answers from a table: every lookup of a name takes its next answer, the last one for ever. Counts lookups."""

    def __init__(self, answers: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self._answers = {name: list(turns) for name, turns in answers.items()}
        self.lookups: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.lookups.append(host)
        turns = self._answers.get(host)
        if not turns:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        addresses = turns.pop(0) if len(turns) > 1 else turns[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        return None


@pytest.fixture
def as_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.1 is let through, but counts as a public host: one at a time, and frozen when it asks for it."""

    async def is_own(self: PinningResolver, host: str) -> bool:
        return False

    monkeypatch.setattr(PinningResolver, "is_own", is_own)


class EveryName(FixedResolver):
    """Every name leads to 127.0.0.1."""

    def __init__(self) -> None:
        super().__init__({})

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self._answers.setdefault(host, [["127.0.0.1"]])
        return await super().resolve(host, port, family)


OpenFetcher = Callable[..., FeedFetcher]
Ask = Callable[..., Reply]


def make_request(url: str, feed_id: int = 1, **fields: object) -> FetchRequest:
    return replace(FetchRequest(feed_id=FeedId(feed_id), url=url), **fields)  # type: ignore[arg-type]


@pytest.fixture
def open_fetcher() -> Iterator[OpenFetcher]:
    """Opens fetchers with changed settings, and closes them after the test."""
    opened: list[FeedFetcher] = []

    def open_one(*, resolver: AbstractResolver | None = None, **changes: object) -> FeedFetcher:
        opened.append(FeedFetcher(replace(SETTINGS, **changes), resolver=resolver))  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    for fetcher in opened:
        fetcher.close()


@pytest.fixture
def ask(open_fetcher: OpenFetcher) -> Ask:
    """Fetches one URL and returns the one reply."""
    fetcher: list[FeedFetcher] = []

    def ask_one(url: str, **fields: object) -> Reply:
        if not fetcher:
            fetcher.append(open_fetcher())
        (reply,) = fetcher[0].fetch([make_request(url, 1, **fields)])
        return reply

    return ask_one
