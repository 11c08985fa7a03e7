"""What the program counts of itself, and how Prometheus reads it. Never asks a database, a disk or the net.

What is counted here is of this process, since its start. Labels are words of ours from lists that are known beforehand,
or codes of a standard: never an address, a title or anything else that a stranger chose. How often a counter is raised
costs under a microsecond; who raises one for each mail looks its child up once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
#: What a word becomes that is one too many.
OTHER = "other"
#: So many children of one counter, at most: whatever is counted, a scrape stays small.
_MOST_CHILDREN = 300

# Each counter would bring a second series that says when it began.
disable_created_metrics()  # type: ignore[no-untyped-call]
_registry = CollectorRegistry()
ProcessCollector(registry=_registry)


class Tally:
    """A counter by words. Its children are looked up once, and their number is bounded."""

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        self._counter = Counter(name, meaning, labels, registry=_registry)
        self._children: dict[tuple[str, ...], Counter] = {}
        self._others = (OTHER,) * len(labels)

    def get(self, *words: str) -> Counter:
        """What counts these words; once there are too many, all further ones are counted together."""
        child = self._children.get(words)
        if child is None:
            if len(self._children) >= _MOST_CHILDREN:
                words = self._others
            child = self._children[words] = self._counter.labels(*words)
        return child

    def add(self, *words: str, amount: int = 1) -> None:
        self.get(*words).inc(amount)

    def expect(self, *words: str) -> None:
        """Show each of these from the start, with 0 (of a counter with one label): a rate misses what begins at 1."""
        for word in words:
            self.get(word)


FETCHES = Tally("aggregator_fetches", "Feeds asked, by what came of it.", "outcome")
ENTRIES = Tally("aggregator_entries_stored", "Entries stored, as new or as changed.", "change")
MAILS = Tally("aggregator_mails", "Mails of issues, by what became of one try.", "result")
SMTP_REPLIES = Tally(
    "aggregator_smtp_replies",
    "Mails taken, and refusals at any step, by class and code.",
    "class",
    "enhanced",
)
PARSE_SECONDS = Histogram(
    "aggregator_parse_seconds",
    "How long a document took to be read, the wait for the process that reads it included.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
    registry=_registry,
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A gauge as it stands now: its samples by the values of its labels."""

    name: str
    meaning: str
    labels: tuple[str, ...]
    samples: Mapping[tuple[str, ...], float]


def make_figure(name: str, meaning: str, value: float) -> Figure:
    """A gauge without labels."""
    return Figure(name, meaning, (), {(): value})


def render_metrics(figures: Iterable[Figure]) -> bytes:
    """All that is counted, and ``figures``, in Prometheus' text format (`CONTENT_TYPE`)."""
    return generate_latest(_Page(figures))


class _Page(Collector):
    def __init__(self, figures: Iterable[Figure]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        yield from _registry.collect()
        for figure in self._figures:
            family = GaugeMetricFamily(figure.name, figure.meaning, labels=figure.labels)
            for words, value in figure.samples.items():
                family.add_metric(words, value)
            yield family
