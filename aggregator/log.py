"""Log lines as events with fields, for people (console) or machines (JSON). Never holds secrets: callers pass addresses
through `redact_url` and no one logs a message body.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal
from urllib.parse import urlsplit

import structlog


def get_logger(name: str) -> Any:
    """A logger whose methods take an event name and fields: ``log.info("feed.fetched", url=..., new=3)``."""
    return structlog.get_logger(name)


def configure_logging(*, level: str = "info", style: Literal["console", "json"] = "console") -> None:
    """Send everything, the libraries' own lines included, to standard error in one style."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: Any
    if style == "json":
        shared.append(structlog.processors.format_exc_info)
        last = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        last = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [stream]
    root.setLevel(number)
    for noisy in ("apscheduler", "alembic", "uvicorn.access", "aiohttp", "asyncio"):
        logging.getLogger(noisy).setLevel(max(number, logging.WARNING))


def redact_url(url: str) -> str:
    """The address without its login and query, which may hold a subscriber's token."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    shown = f"{parts.scheme}://{host}{parts.path}" if parts.netloc else url.partition("?")[0]
    return f"{shown}?..." if parts.query else shown
