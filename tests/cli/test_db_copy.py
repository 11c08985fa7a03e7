"""``db copy`` as an editor runs it: there and back, identical, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from aggregator.storage import meta
from aggregator.storage.copying import MARK
from aggregator.storage.engine import open_database
from tests.fixtures.database import new_postgres_database
from tests.fixtures.program import Program

#: More than are copied at a time.
MANY = 1_050


@pytest.fixture
def other(postgres_url: str) -> Iterator[str]:
    with new_postgres_database(postgres_url) as url:
        yield url


@pytest.fixture
def filled(local: Program) -> Program:
    """Posts, some of them in words of Japan, their stories, and readers."""
    (local.folder / "posts").mkdir()
    for number in range(40):
        title = f"AI業界の波 {number}" if number % 4 == 0 else f"Report {number} on 'quotes' and \\u2028 lines"
        head = f'---\ntitle: "{title}"\ndate: 2026-01-{1 + number % 28:02}T10:00:00Z\nurl: https://b.example/{number}\n---\n'
        (local.folder / "posts" / f"{number}.md").write_text(
            f"{head}\nOpenAI shows model {number}.\n", encoding="utf-8"
        )
    local.configure(feeds=[{"folder": "posts"}], combined={"first_import": 1000})
    assert local.run("fetch", "--all").code == 0
    people = "".join(f"reader{number}@example.org\n" for number in range(MANY))
    (local.folder / "people.csv").write_text(f"email\n{people}")
    assert local.run("subscribers", "import", "people.csv").code == 0
    return local


def get_url(program: Program) -> str:
    return program._database_url


def test_there_and_back(filled: Program, other: str) -> None:
    back = f"sqlite:///{filled.folder}/back.sqlite3"
    found = filled.json("entries", "list", "--search", "業界")
    there = filled.json("db", "copy", "--to", other)
    again = filled.run("db", "copy", "--from", other, "--to", back)
    filled._database_url = back
    filled.configure(feeds=[{"folder": "posts"}], combined={"first_import": 1000})

    assert there["identical"] is True
    assert (there["tables"]["entries"], there["tables"]["subscribers"]) == (40, MANY)
    assert again.code == 0, again
    assert again.out.startswith("identical: ")
    assert len(found) == 10
    assert filled.json("entries", "list", "--search", "業界") == found


def test_a_copy_that_was_broken_off_is_no_installation_yet(filled: Program, other: str) -> None:
    assert filled.run("db", "copy", "--from", get_url(filled), "--to", other).code == 0
    database = open_database(other)
    with database.write() as conn:
        meta.set_value(conn, MARK, {"source": "x", "table": "feeds", "key": [1]})
    database.close()
    filled._database_url = other
    filled.configure()

    result = filled.run("feeds", "list")

    assert result.code == 2
    assert "is a copy that was broken off" in result.err


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("mysql://host/name", "no such kind of database"),
        ("postgresql://127.0.0.1:1/nothing?connect_timeout=1", "refused"),
        ("", "cannot be read"),
    ],
)
def test_what_it_refuses_is_one_line(filled: Program, target: str, words: str) -> None:
    result = filled.run("db", "copy", "--from", get_url(filled), "--to", target)

    assert result.code == 2
    (line,) = [line for line in result.err.splitlines() if line.startswith("aggregator: ")]
    assert words in line


def test_a_target_of_another_schema_is_left_alone(filled: Program, other: str) -> None:
    assert filled.run("db", "copy", "--from", get_url(filled), "--to", other).code == 0
    database = open_database(other)
    with database.write() as conn:
        conn.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()

    result = filled.run("db", "copy", "--from", get_url(filled), "--to", other)

    assert result.code == 2
    assert "newer than this program" in result.err
