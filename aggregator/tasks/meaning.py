"""Vectors for entries that are to be grouped, where an encoder is installed. Never groups, never reads a content."""

from __future__ import annotations

from datetime import datetime

from aggregator.app import App
from aggregator.log import get_logger
from aggregator.pipeline.meaning import encode_meaning, find_problem
from aggregator.storage import meanings

log = get_logger(__name__)

#: Entries encoded before what was found is stored: seconds of work, so that a kill loses little.
CHUNK = 100


def encode_waiting(app: App, *, since: datetime | None = None) -> int:
    """Give every entry without a story its vector, with ``since`` all from then on; how many got one.

    Nothing happens where there is no encoder. An edited headline keeps the vector of the first: its story is known.
    """
    means = dict(app.settings.language_means)
    if find_problem(means):
        return 0
    count = above = 0
    while True:
        with app.db.read() as conn:
            waiting = meanings.find_missing(conn, limit=CHUNK, above=above, since=since)
        if not waiting:
            break
        vectors = {number: encode_meaning(title, language, means) for number, title, language in waiting}
        with app.db.write() as conn:
            meanings.save(conn, vectors)
        count, above = count + len(vectors), waiting[-1][0]
    if count:
        log.info("entries.encoded", entries=count)
    return count
