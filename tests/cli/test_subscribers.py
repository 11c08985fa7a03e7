"""``aggregator subscribers``: lists in and out, every wrong line named; a person looked at, allowed, forgotten."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from sqlalchemy.engine import Connection

from aggregator.model.subscriber import NewSubscriber
from aggregator.storage import imports, subscribers
from aggregator.storage.schema import subscribers as people_table
from aggregator.storage.schema import subscriptions
from aggregator.tasks import people
from aggregator.tasks.people_csv import harmless, read_cell
from tests.fixtures.program import Program
from tests.storage.samples import NOW

WEEKLY = {"slug": "weekly", "title": "AI Weekly", "schedule": "0 8 * * 1"}
RICH = {**WEEKLY, "topics": ["chips", "agents", "gpt-4.1"], "languages": ["en", "ja"]}


def write(program: Program, content: bytes | str, name: str = "people.csv") -> None:
    data = content.encode() if isinstance(content, str) else content
    (program.folder / name).write_bytes(data)


def list_people(program: Program) -> dict[str, dict[str, object]]:
    return {item["email"]: item for item in program.json("subscribers", "list")}


def test_people_come_from_a_list_once(program: Program) -> None:
    """The header in any case, with a byte order mark and Windows line ends; who has left stays out, and is named."""
    program.configure(newsletters=[RICH])
    write(
        program,
        '\ufeffEmail , Language,topics,Name\r\nana@example.org,ja,"gpt-4.1, Chips",Ana\r\n\r\nBo@Example.ORG,,,\r\n',
    )

    first = program.run("subscribers", "import", "people.csv")
    program.run("subscribers", "remove", "ana@example.org")
    second = program.run("subscribers", "import", "people.csv")
    people = list_people(program)

    assert (first.code, first.out) == (0, "2 added.\n")
    assert first.err == "aggregator: people.csv: columns that mean nothing here: name\n"
    assert (second.code, second.out) == (
        0,
        "people.csv:2: ana@example.org has left, and must ask again themselves\n"
        "people.csv:4: Bo@example.org subscribes already\n"
        "0 added, 1 known already, 1 left before.\n",
    )
    assert set(people) == {"ana@example.org", "Bo@example.org"}
    assert (people["ana@example.org"]["topics"], people["ana@example.org"]["language"]) == (["chips", "gpt-4.1"], "ja")
    assert people["ana@example.org"]["state"] == "ended"
    assert str(people["Bo@example.org"]["consent"]).startswith("imported from people.csv line 4 on 2")


def test_wrong_lines_are_passed_over_and_named(program: Program) -> None:
    """Code 1; everybody else is in, and the report says why somebody is not."""
    program.configure(newsletters=[RICH, {**WEEKLY, "slug": "daily"}])
    with program.app() as app, app.db.write() as conn:
        subscribers.suppress(conn, "never@example.org", reason="complained", now=NOW)
    long = "x" * 65 + "@example.org"
    rows = [
        "email,newsletter,language,topics",
        "ana@example.org,weekly,en,agents",
        "bo",
        '"cy\nBcc: x@example.org",weekly',
        f"{long},weekly",
        "Dee <dee@example.org>,weekly",
        "eve@bücher.example,daily",
        "ANA@example.org,weekly",
        "never@example.org,weekly",
        "fay@example.org,monthly",
        "gus@example.org",
        "hal@example.org,weekly,not a language",
        "ian@example.org,weekly,,a b c d e f g",
        "joe@example.org,weekly,,Ärger",
        "kim@example.org,weekly,fr,weather",
        "lea@example.org,weekly,en,agents,more",
        "kai@日本語.example,weekly",
        "мир@example.org,weekly",
    ]
    write(program, "\n".join(rows))

    dry = program.run("subscribers", "import", "people.csv", "--dry-run")
    nobody = list_people(program)
    result = program.run("subscribers", "import", "people.csv")

    found = {line.partition(": ")[0].rpartition(":")[2]: line.partition(": ")[2] for line in result.err.splitlines()}
    wrong = [line.removeprefix("aggregator: people.csv:") for line in result.err.splitlines() if "csv:" in line]
    assert found
    assert [line.partition(":")[0] for line in wrong if line[0].isdigit()] == [
        "3", "4", "6", "11", "12", "13", "14", "15", "17", "19",
    ]  # fmt: skip
    assert "3: email: 'bo' is no e-mail address" in wrong[1]
    assert "4: email: 'cy\\nBcc: x@example.org' is no e-mail address" in wrong[2]
    assert "the email address is too long before the @-sign" in wrong[3].lower()
    assert "newsletter: found 'monthly', expected one of weekly, daily" in wrong[4]
    assert "newsletter: found none, expected one of weekly, daily" in wrong[5]
    assert "language: found 'not a language', expected a language tag" in wrong[6]
    assert "topics: found 7, expected at most 6" in wrong[7]
    assert "topics: found 'ärger', expected slugs of tags" in wrong[8]
    assert "has 5 fields, the header has 4 columns" in wrong[9]
    assert wrong[0].endswith("left out, since no newsletter here offers it: language fr, topic weather")
    assert result.code == dry.code == 1
    assert nobody == {}
    assert dry.out == result.out.replace(" added,", " would be added,")
    assert result.out == (
        "people.csv:9: ANA@example.org stands twice, first on line 2\n"
        "people.csv:10: never@example.org is on the list of addresses that get no mail: "
        "`aggregator subscribers allow` says why\n"
        "5 added, 1 get no mail, 1 twice in the file, 10 wrong.\n"
    )
    assert set(list_people(program)) == {
        "ana@example.org", "dee@example.org", "eve@xn--bcher-kva.example", "kim@example.org",
        "kai@xn--wgv71a119e.example",
    }  # fmt: skip


def test_the_report_as_one_document(local: Program) -> None:
    """Every line that added nobody."""
    local.configure()
    write(local, "email,age\nana@example.org,4\nbo,5\nana@example.org,6\n")

    result = local.run("subscribers", "import", "people.csv", "--json")

    document = json.loads(result.out)
    lines = document.pop("lines")
    assert document == {
        "added": 1, "known": 0, "left": 0, "suppressed": 0, "double": 1, "unconfirmed": 0, "wrong": 1,
        "dry_run": False, "encoding": "UTF-8", "ignored_columns": ["age"], "not_offered": [],
    }  # fmt: skip
    assert [(one["line"], one["email"], one["outcome"]) for one in lines] == [
        (3, "bo", "wrong"),
        (4, "ana@example.org", "double"),
    ]
    assert (result.code, result.err) == (1, "")


@pytest.mark.parametrize(
    ("content", "options", "wanted"),
    [
        ("メールアドレス,氏名\nana@example.org,山田\n".encode("cp932"), [], "read as Shift_JIS"),
        ("email,name\nana@example.org,José\n".encode("latin-1"), ["--encoding", "latin-1"], "read as latin-1"),
        ("email\nana@example.org\n".encode("utf-16"), ["--encoding", "utf-16"], "read as utf-16"),
        ("email,name\nana@example.org,山田\n".encode("euc-jp"), ["--encoding", "euc-jp"], "read as euc-jp"),
    ],
    ids=["shift-jis", "latin-1", "utf-16", "euc-jp"],
)
def test_other_encodings_are_read(content: bytes, options: list[str], wanted: str, local: Program) -> None:
    """Windows' Shift_JIS is recognised, others are named; how it was read is said."""
    local.configure()
    write(local, content)

    result = local.run("subscribers", "import", "people.csv", *options)

    assert (result.code, result.out) == (0, "1 added.\n")
    assert f"aggregator: people.csv: {wanted}\n" in result.err


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"", ["people.csv:1: found nothing, expected a header row with the column email"]),
        (b"name;email\na;a@example.org\n", ["people.csv:1: found 'name;email', expected a header row"]),
        (b"ana@example.org\nbo@example.org\n", ["people.csv:1: found 'ana@example.org', expected a header row"]),
        (b"email,age,EMAIL\na@example.org,4,\n", ["people.csv:1: email: stands twice"]),
        (
            b"email\nana@example.org\n\xe4@example.org\nb\xff\n",
            ["people.csv:3: is not UTF-8", "people.csv:4: is not UTF-8"],
        ),
        ("email\nana@example.org\n".encode("utf-16"), ["people.csv: is binary or UTF-16"]),
        (b"\x89PNG\r\n\x1a\n\0\0", ["people.csv: is binary or UTF-16"]),
        (b'email\nana@example.org\n"bo@example.org\n', ["people.csv:3: is no CSV: unexpected end of data"]),
        (b"email\n" + b"a" * 200_000, ["people.csv:2: is no CSV: field larger than field limit"]),
    ],
    ids="empty semicolons headless columns latin1 utf16 binary quote long".split(),
)
def test_what_is_no_list_adds_nobody(content: bytes, wanted: list[str], local: Program) -> None:
    """With file and line; code 2."""
    local.configure()
    write(local, content)

    result = local.run("subscribers", "import", "people.csv")
    lines = result.err.removesuffix("\n").split("\n")

    assert (result.code, result.out, len(lines)) == (2, "", len(wanted))
    assert all(line.startswith(f"aggregator: {text}") for line, text in zip(lines, wanted, strict=True)), lines
    assert local.json("subscribers", "list") == []


@pytest.mark.parametrize("name", ["klingon", "rot13", "base64", "ascii"])
def test_an_encoding_that_does_not_serve(name: str, local: Program) -> None:
    """Unknown, no text encoding, or not that of the file: one line."""
    local.configure()
    write(local, "email,name\nana@example.org,山田\n")

    result = local.run("subscribers", "import", "people.csv", "--encoding", name)

    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert name in result.err


def test_a_list_that_cannot_be_read(local: Program) -> None:
    """Missing, or a folder."""
    local.configure()

    for name in ("missing.csv", "."):
        result = local.run("subscribers", "import", name)
        assert (result.code, len(result.err.splitlines())) == (2, 1)
        assert result.err.startswith(f"aggregator: {name}: cannot be read: ")


def test_an_import_that_breaks_off_leaves_nothing(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """One transaction: killed in the middle, nobody is in; begun again, all are, once."""
    program.configure()
    write(program, "email\n" + "".join(f"a{n}@example.org\n" for n in range(25)))
    monkeypatch.setattr(people, "CHUNK", 10)
    real, calls = imports.add_new, []

    def die_in_the_third(*values: object, **named: object) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(*values, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(imports, "add_new", die_in_the_third)
    killed = program.run("subscribers", "import", "people.csv")
    after = list_people(program)
    again = program.run("subscribers", "import", "people.csv")

    assert killed.code == 130
    assert after == {}
    assert (again.code, again.out, len(list_people(program))) == (0, "25 added.\n", 25)


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
NAMES = st.from_regex(r"[a-z0-9+=-][a-z0-9'+=-]{0,8}", fullmatch=True)


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.dictionaries(NAMES, st.tuples(CELLS, st.booleans()), max_size=6))
@example(written={"a": ("one\rtwo", False)})
def test_what_goes_out_comes_in_again(written: dict[str, tuple[str, bool]], local: Program) -> None:
    """No cell is a formula to a spreadsheet, and all of it is read back: who left stays out."""
    local.configure(newsletters=[WEEKLY, {**WEEKLY, "slug": "daily"}])
    with local.app() as app, app.db.write() as conn:
        forget_everybody(conn)
        for name, (consent, left) in written.items():
            new = NewSubscriber(email=f"{name}@example.org", newsletter="weekly")
            subscribers.add(conn, new, consent=consent, now=NOW)
            if left:
                subscribers.remove(conn, new.email, reason="=1+1", now=NOW)
    out = local.run("subscribers", "export").out
    write(local, out)
    with local.app() as app, app.db.write() as conn:
        forget_everybody(conn)
    result = local.run("subscribers", "import", "people.csv")

    rows = list(csv.reader(io.StringIO(out, newline="")))
    assert not any(cell[:1] in set("=+-@\t\r") for row in rows for cell in row)
    assert result.code == 0, result
    assert set(list_people(local)) == {f"{name}@example.org" for name, (_, left) in written.items() if not left}
    consents = {str(one["email"]): str(one["consent"]) for one in list_people(local).values()}
    for name, (consent, left) in written.items():
        if not left and consent.strip():
            assert consents[f"{name}@example.org"].endswith(consent.strip())


@given(cell=st.text("'=+-@\t\ra", max_size=6) | st.text())
def test_a_cell_that_was_made_harmless_is_read_back(cell: str) -> None:
    """Whatever it holds, quotes before formulas included."""
    assert read_cell(harmless(cell)) == cell
    assert harmless(cell)[:1] not in set("=+-@\t\r")


def forget_everybody(conn: Connection) -> None:
    for table in (subscriptions, people_table):
        conn.execute(delete(table))


def test_an_export_of_some(local: Program) -> None:
    """Of one newsletter, in one state."""
    local.configure(newsletters=[WEEKLY, {**WEEKLY, "slug": "daily"}])
    for name, slug in (("ana", "weekly"), ("bo", "weekly"), ("cy", "daily")):
        local.run("subscribers", "add", f"{name}@example.org", "--newsletter", slug)
    local.run("subscribers", "remove", "bo@example.org")

    def export(*options: str) -> list[str]:
        return [row["email"] for row in csv.DictReader(io.StringIO(local.run("subscribers", "export", *options).out))]

    assert export() == ["ana@example.org", "bo@example.org", "cy@example.org"]
    assert export("--newsletter", "weekly", "--state", "confirmed") == ["ana@example.org"]
    assert export("--state", "ended") == ["bo@example.org"]
    assert local.run("subscribers", "export", "--state", "asleep").code == 2


@pytest.mark.parametrize(
    "email",
    ["", "ana", "ana@", "@example.org", "a b@example.org", "ana@example.org\r\nBcc: x@x.org", "x" * 65 + "@a.org"],
)
def test_what_is_no_address_is_refused(email: str, local: Program) -> None:
    """In one line, whatever is in it."""
    local.configure()

    result = local.run("subscribers", "add", email)

    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert "is no e-mail address" in result.err


def test_one_person_once(program: Program) -> None:
    """Added twice is said; removed is not added again by command."""
    program.configure()
    results = [
        program.run("subscribers", *words)
        for words in (
            ["add", "a@example.org"],
            ["add", "A@example.org"],
            ["remove", "a@example.org"],
            ["add", "a@example.org"],
        )
    ]

    assert [result.code for result in results] == [0, 2, 0, 2]
    assert results[1].err == "aggregator: A@example.org subscribes already\n"
    assert "has left, and must ask again themselves" in results[3].err


def test_wishes_must_be_on_offer(local: Program) -> None:
    """Tags among the topics, a language among the languages."""
    local.configure(newsletters=[RICH])

    good = local.run("subscribers", "add", "a@example.org", "--language", "ja-JP", "--topics", "chips, Agents")
    bad = local.run("subscribers", "add", "b@example.org", "--topics", "weather", "--language", "fr")
    (person,) = local.json("subscribers", "list")

    assert (good.code, bad.code) == (0, 2)
    assert bad.err == "aggregator: weekly does not offer language fr, topic weather\n"
    assert (person["language"], person["topics"]) == ("ja", ["agents", "chips"])


def test_which_newsletter_must_be_said_when_there_are_two(local: Program) -> None:
    """The choice is named."""
    letters = [{"slug": slug, "title": slug, "schedule": "0 8 * * 1"} for slug in ("daily", "weekly")]
    local.configure(newsletters=letters)

    result = local.run("subscribers", "add", "a@example.org")

    assert (result.code, result.err) == (2, "aggregator: name one newsletter: daily, weekly\n")
    assert local.run("subscribers", "add", "a@example.org", "--newsletter", "daily").code == 0
