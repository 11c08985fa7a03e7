"""What Alembic runs a migration in: the connection and the transaction of `storage.migrate`. Never opens its own."""

from __future__ import annotations

from alembic import context

from aggregator.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
