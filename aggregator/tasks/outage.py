"""Whether it is us: when nearly no host answers, our own network is down, and no feed is blamed. Never asks anybody."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import timedelta

from aggregator.app import App
from aggregator.log import get_logger
from aggregator.model.feed import Postponed
from aggregator.pipeline.lifecycle import NETWORK_CLASSES, is_local_outage
from aggregator.storage import meta
from aggregator.tasks.reading import Reading

log = get_logger(__name__)

#: After this some are tried again; the rest wait for them.
PROBE_WAIT = timedelta(minutes=5)
#: So many feeds tell whether the network is back.
PROBES = 10
#: The latest outcomes that are looked at: an outage may begin in the middle of a round.
_WINDOW = 40
#: Under this name the store keeps since when we are cut off.
_SINCE = "network is down since"


class OutageWatch:
    """Looks at the outcomes of one round as they come."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._latest: deque[tuple[str, str]] = deque(maxlen=_WINDOW)
        with app.db.read() as conn:
            #: The round before ended in an outage.
            self.is_probing = meta.get_value(conn, _SINCE) is not None
        self.is_down = False

    def note(self, readings: Sequence[Reading]) -> None:
        """Hear of a batch before it is saved."""
        for reading in readings:
            exchanged, failure = reading.exchanged, reading.failure_class
            is_told = exchanged.host_key and not exchanged.own and not isinstance(reading.reply, Postponed)
            # One that failed before would fail anyway.
            if is_told and not (reading.feed.failures and failure in NETWORK_CLASSES):
                self._latest.append((exchanged.host_key, failure))
        self._decide(is_local_outage(tuple(self._latest)))

    def _decide(self, is_down: bool) -> None:
        answered = any(failure not in NETWORK_CLASSES for _, failure in self._latest)
        if is_down and not self.is_down:
            self.is_down = True
            if not self.is_probing:
                log.warning("network.down", reason="nearly no host answers: failures are not counted until some do")
                self._remember(self._app.now().isoformat())
        elif answered and not is_down and (self.is_down or self.is_probing):
            self.is_down = self.is_probing = False
            log.info("network.back")
            self._remember(None)

    def _remember(self, since: str | None) -> None:
        with self._app.db.write() as conn:
            meta.set_value(conn, _SINCE, since)
