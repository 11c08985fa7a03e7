"""``aggregator stats``: the house in numbers. Never changes any."""

from __future__ import annotations

import typer

from aggregator.cli.console import ConfigOption, JsonOption, opened, print_json
from aggregator.storage import meta


def stats(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Count feeds, entries, stories, issues, subscribers and deliveries."""
    with opened(config) as app, app.db.read() as conn:
        counts = meta.count_rows(conn)
    if as_json:
        print_json(counts)
        return
    width = max(len(name) for name in counts)
    for name, count in counts.items():
        typer.echo(f"{name:<{width}}  {count}")
