"""Many values in one parameter: drivers are slow at statements that hold hundreds. Never touches a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection

from aggregator.storage.engine import encode_json


def select_values(conn: Connection, values: Sequence[Any], type_: sa.types.TypeEngine[Any]) -> sa.Select[Any]:
    """The ``values``, texts or numbers, as the rows of one column ``value``, in their order."""
    if conn.dialect.name == "sqlite":
        listed = sa.func.json_each(sa.literal(encode_json(list(values)), sa.Text)).table_valued("value")
        return sa.select(listed.c.value)
    array = sa.literal(list(values), postgresql.ARRAY(type_))
    return sa.select(sa.func.unnest(array).column_valued("value"))
