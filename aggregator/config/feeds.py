"""The feeds that the configuration names, folders and lists in OPML files included. Never fetches anything.

A list on the web is none of these: what it names comes with fetching it (`settings.lists`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from aggregator.config.rules import FeedRule
from aggregator.config.schema import Config, FeedOptions, FolderFeed, OpmlFeeds, UrlFeed
from aggregator.errors import Problem
from aggregator.model.feed import FOLDER_SCHEME, MAX_OPML_BYTES, FeedSpec, OpmlResult, PageRules


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLists:
    """All feeds, and what is wrong with the OPML files: a broken list costs itself, never the rest."""

    specs: tuple[FeedSpec, ...]
    problems: tuple[Problem, ...]


#: `pipeline.opml.parse_opml`, handed in because it lives on a higher floor.
OpmlParser = Callable[[bytes], OpmlResult]


def find_feed_place(config: Config, url: str) -> str:
    """``config.yaml:12`` for a feed (or folder) that the file itself names; empty for any other."""
    return list_feed_places(config).get(url, "")


def list_feed_places(config: Config) -> dict[str, str]:
    """``config.yaml:12`` by address, of the feeds and folders that the file itself names."""
    places: dict[str, str] = {}
    for index, feed in enumerate(config.feeds):
        if not isinstance(feed, OpmlFeeds):
            place = f"{config.path}:{config.find_line('feeds', index)}"
            places.setdefault(build_spec(config, feed).url, place)
    return places


def list_feed_rules(config: Config) -> tuple[tuple[str, tuple[FeedRule, ...]], ...]:
    """(address, its rules) of the feeds and folders that have rules of their own."""
    named = [feed for feed in config.feeds if not isinstance(feed, OpmlFeeds) and feed.rules]
    return tuple((build_spec(config, feed).url, feed.rules) for feed in named)


def read_feed_lists(config: Config, parse_opml: OpmlParser) -> FeedLists:
    """Every feed once, those of the file itself before those of its lists. Reads the OPML files again at each call."""
    specs: dict[str, FeedSpec] = {}
    problems: list[Problem] = []
    for feed in config.feeds:
        if not isinstance(feed, OpmlFeeds):
            spec = build_spec(config, feed)
            specs.setdefault(spec.url, spec)
    for index, feed in enumerate(config.feeds):
        if isinstance(feed, OpmlFeeds) and not feed.is_followed:
            found, mistakes = _read_list(config, feed, index, parse_opml)
            problems += mistakes
            for spec in found:
                specs.setdefault(spec.url, spec)
    return FeedLists(specs=tuple(specs.values()), problems=tuple(problems))


def build_spec(config: Config, feed: UrlFeed | FolderFeed) -> FeedSpec:
    """What the file asks for."""
    spec = _apply_options(FeedSpec(url="", title=feed.title), feed)
    if isinstance(feed, FolderFeed):
        folder = (config.folder / feed.folder).resolve()
        return replace(
            spec, url=f"{FOLDER_SCHEME}{folder}", title=feed.title or folder.name, url_prefix=feed.url_prefix
        )
    headers = tuple((name, value.get_secret_value()) for name, value in feed.headers.items())
    page = PageRules(**feed.page.model_dump()) if feed.page else None
    return replace(spec, url=feed.url, headers=headers, page=page, points=feed.points)


def _apply_options(spec: FeedSpec, options: FeedOptions) -> FeedSpec:
    return replace(
        spec,
        language=spec.language or options.language,
        weight=options.weight,
        full_content=spec.full_content or options.full_content,
        tags=tuple(dict.fromkeys([*options.tags, *spec.tags])),
        interval=options.interval,
    )


def _read_list(
    config: Config, feed: OpmlFeeds, index: int, parse_opml: OpmlParser
) -> tuple[tuple[FeedSpec, ...], list[Problem]]:
    path = config.folder / feed.opml
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_OPML_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        message = f"found {feed.opml} unreadable ({reason}), expected an OPML file"
        line = config.find_line("feeds", index, "opml")
        return (), [Problem(file=str(config.path), line=line, key=f"feeds[{index}].opml", message=message)]
    result = parse_opml(data)
    problems = [Problem(file=str(path), line=0, key="", message=text) for text in result.problems]
    return tuple(_apply_options(spec, feed) for spec in result.feeds), problems
