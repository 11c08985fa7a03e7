"""``aggregator db prune``, and the daemon that does the same once a day."""

from __future__ import annotations

import sqlalchemy as sa

from aggregator.model.notice import EVENTS
from aggregator.render.notices import tell_more
from aggregator.storage import notices
from aggregator.storage.schema import deliveries
from aggregator.tasks.due import get_tasks
from tests.fixtures.program import Program
from tests.storage.returned import deliver, write_letter
from tests.storage.samples import DAY, NOW, subscribe


def fill(program: Program) -> None:
    program.configure()
    with program.app() as app, app.db.write() as conn:
        subscribe(conn, "ada@example.org")
        deliver(conn, "ada@example.org", at=NOW - 900 * DAY)
        deliver(conn, "ada@example.org", "two", at=app.now())
        write_letter(conn, "bob@example.org")
        event = tell_more("feed.broken", 3, now=NOW)
        notices.note(conn, [event], {"mail:editor@example.org": EVENTS}, now=NOW - 91 * DAY)


def count(program: Program) -> int:
    with program.app() as app, app.db.read() as conn:
        return conn.execute(sa.select(sa.func.count()).select_from(deliveries)).scalar_one()


def test_what_goes_is_shown_before_it_goes(program: Program) -> None:
    """Without --yes nothing goes; afterwards nothing is left to go."""
    fill(program)

    shown = program.run("db", "prune")
    before = count(program)
    done = program.json("db", "prune", "--yes")
    after = program.run("db", "prune")

    assert (shown.code, before, count(program)) == (0, 2, 1)
    assert "1 notes of who was mailed an issue, older than 400 days\n" in shown.out
    assert "1 notes of who was told of what has happened, older than 90 days\n" in shown.out
    assert "1 letters that asked for a confirmation, older than 33 days\n" in shown.out
    assert shown.out.endswith("Nothing was taken away: say --yes.\n")
    assert (done["pruned"], done["deliveries"], done["letters"], done["bounces"]) == (True, 1, 1, 0)
    assert after.out.endswith("Nothing is older than it is kept.\n")


def test_the_daemon_prunes_once_a_day(program: Program) -> None:
    """After a round; a stop leaves it for later, and until tomorrow it looks no more."""
    fill(program)
    at = [NOW + 500 * DAY]

    with program.app(now=lambda: at[0]) as app:
        get_tasks(app, pause=lambda _: True)["round"]()
        stopped = count(program)
        run = get_tasks(app, pause=lambda _: False)["round"]
        run()
        first = count(program)
        with app.db.write() as conn:
            deliver(conn, "ada@example.org", "three", at=NOW - 901 * DAY)
        run()
        same_day = count(program)
        at[0] += DAY
        run()

    assert (stopped, first, same_day, count(program)) == (2, 1, 2, 1)
