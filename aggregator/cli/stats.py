"""``aggregator stats``: the house in numbers. Never changes any."""

from __future__ import annotations

import typer

from aggregator.cli.console import ConfigOption, JsonOption, opened, print_json
from aggregator.storage import changes, meta, tags


def stats(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Count what is stored, noun by noun."""
    with opened(config) as app, app.db.read() as conn:
        # A row of tags is one reason for one entry; what people count is tags.
        counts = meta.count_rows(conn) | {"tags": len(tags.list_tags(conn))}
        waiting, seconds = changes.find_lag(conn, app.now())
    counts |= {"untagged": waiting, "tag_lag_seconds": round(seconds)}
    if as_json:
        print_json(counts)
        return
    width = max(len(name) for name in counts)
    for name, count in counts.items():
        typer.echo(f"{name:<{width}}  {count}")
