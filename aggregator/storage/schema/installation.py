"""Tables of the installation itself. Never of what it reads or sends."""

from __future__ import annotations

import sqlalchemy as sa

from aggregator.storage.schema.columns import instant, metadata, number, text

#: Facts about this installation, as JSON by name.
meta = sa.Table(
    "meta", metadata, sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.JSON, nullable=False)
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    text("owner"),
    instant("lease_until"),
    number("fence"),
)
