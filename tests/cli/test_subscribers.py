"""``aggregator subscribers``: lists in and out, and every wrong line named before anybody is added."""

from __future__ import annotations

import csv
import io

import pytest

from tests.fixtures.program import Program


def test_people_come_from_a_list_once(program: Program) -> None:
    """The header in any case, with a byte order mark and Windows line ends; who has left stays out."""
    program.configure()
    (program.folder / "people.csv").write_bytes(
        '\ufeffEmail , Language,topics\r\nana@example.org,de,"openai, chips"\r\n\r\nBo@Example.ORG,,\r\n'.encode()
    )

    first = program.run("subscribers", "import", "people.csv")
    program.run("subscribers", "remove", "ana@example.org")
    second = program.run("subscribers", "import", "people.csv")
    people = {item["email"]: item for item in program.json("subscribers", "list")}

    assert (first.code, first.out) == (0, "2 added, 0 known already or gone.\n")
    assert (second.code, second.out) == (0, "0 added, 2 known already or gone.\n")
    assert set(people) == {"ana@example.org", "Bo@example.org"}
    assert people["ana@example.org"]["topics"] == ["openai", "chips"]
    assert people["ana@example.org"]["state"] != people["Bo@example.org"]["state"]


def test_what_goes_out_comes_in_again(program: Program) -> None:
    """The export has more columns than an import knows, and no cell that a spreadsheet would reckon out."""
    program.configure()
    program.run("subscribers", "add", "ana@example.org", "--language", "=cmd()")

    out = program.run("subscribers", "export").out
    (row,) = csv.DictReader(io.StringIO(out))

    assert row["email"] == "ana@example.org"
    assert row["language"] == "'=cmd()"


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"", ["people.csv:1: found nothing, expected a header row with the column email"]),
        (b"name;email\na;a@example.org\n", ["people.csv:1: found 'name;email', expected a header row"]),
        (b"ana@example.org\nbo@example.org\n", ["people.csv:1: found 'ana@example.org', expected a header row"]),
        (
            b"email,age,EMAIL\na@example.org,4,\n",
            ["people.csv:1: age: is no column", "people.csv:1: email: stands twice"],
        ),
        (
            b"email,newsletter\nana@example.org,weekly\nbo\n@example.org,\n,weekly\ncy@example.org,daily\n",
            [
                "people.csv:3: email: 'bo' is no e-mail address",
                "people.csv:4: email: '@example.org' is no e-mail address",
                "people.csv:5: email: '' is no e-mail address",
                "people.csv:6: newsletter: found 'daily', expected one of weekly",
            ],
        ),
        (b"email\nana@example.org,weekly,more\n", ["people.csv:2: has more fields than the header has columns"]),
        (
            b"email\nana@example.org\n\xe4@example.org\nb\xff\n",
            ["people.csv:3: is not UTF-8", "people.csv:4: is not UTF-8"],
        ),
        ("email\nana@example.org\n".encode("utf-16"), ["people.csv: is binary or UTF-16"]),
        (b"\x89PNG\r\n\x1a\n\0\0", ["people.csv: is binary or UTF-16"]),
        (b'email\nana@example.org\n"bo@example.org\n', ["people.csv:3: is no CSV: unexpected end of data"]),
        (b"email\n" + b"a" * 200_000, ["people.csv:2: is no CSV: field larger than field limit"]),
        (b"email\nana@example.org\n\x1b[31m@example.org\n", ["people.csv:3: email: '\\x1b[31m@example.org' is no"]),
    ],
    ids="empty semicolons headless columns lines fields latin1 utf16 binary quote long control".split(),
)
def test_a_list_with_a_mistake_adds_nobody(content: bytes, wanted: list[str], local: Program) -> None:
    """All wrong lines at once, with file and line; code 2."""
    local.configure()
    (local.folder / "people.csv").write_bytes(content)

    result = local.run("subscribers", "import", "people.csv")
    lines = result.err.removesuffix("\n").split("\n")

    assert (result.code, result.out, len(lines)) == (2, "", len(wanted))
    assert all(line.startswith(f"aggregator: {text}") for line, text in zip(lines, wanted, strict=True)), lines
    assert local.json("subscribers", "list") == []


def test_a_list_that_cannot_be_read(local: Program) -> None:
    """Missing, or a folder."""
    local.configure()

    for name in ("missing.csv", "."):
        result = local.run("subscribers", "import", name)
        assert (result.code, len(result.err.splitlines())) == (2, 1)
        assert result.err.startswith(f"aggregator: {name}: cannot be read: ")


@pytest.mark.parametrize(
    "email", ["", "ana", "ana@", "@example.org", "a b@example.org", "ana@example.org\r\nBcc: x@x.org"]
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

    codes = [
        program.run("subscribers", *words).code
        for words in (
            ["add", "a@example.org"],
            ["add", "a@example.org"],
            ["remove", "a@example.org"],
            ["add", "a@example.org"],
        )
    ]

    assert codes == [0, 2, 0, 2]


def test_which_newsletter_must_be_said_when_there_are_two(local: Program) -> None:
    """The choice is named."""
    letters = [{"slug": slug, "title": slug, "schedule": "0 8 * * 1"} for slug in ("daily", "weekly")]
    local.configure(newsletters=letters)

    result = local.run("subscribers", "add", "a@example.org")

    assert (result.code, result.err) == (2, "aggregator: name one newsletter: daily, weekly\n")
    assert local.run("subscribers", "add", "a@example.org", "--newsletter", "daily").code == 0
