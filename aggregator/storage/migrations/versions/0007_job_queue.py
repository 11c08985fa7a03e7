"""The tables of the job queue on PostgreSQL, Procrastinate's own; on SQLite jobs wait in the process.

What the installed release has is made, and the name of its newest change noted as the table's comment: a later revision
applies the changes behind that name, and none twice. A test says when a newer release brings more, which is then such
a revision.
"""

from __future__ import annotations

from importlib.resources import files

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    folder = files("procrastinate").joinpath("sql")
    driver = op.get_bind().connection.driver_connection
    assert driver is not None  # Alembic has just used it
    driver.execute(folder.joinpath("schema.sql").read_text(encoding="utf-8"))
    newest = max(path.name for path in folder.joinpath("migrations").iterdir() if path.name.endswith(".sql"))
    op.create_table_comment("procrastinate_jobs", newest)
