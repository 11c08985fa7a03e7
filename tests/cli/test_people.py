"""``aggregator subscribers``: one person looked at, allowed again, forgotten."""

from __future__ import annotations

from collections.abc import Iterable

from aggregator.model.bounce import SoftRule
from aggregator.model.subscriber import NewSubscriber
from aggregator.storage import bounces, subscribers
from aggregator.storage.schema import metadata
from tests.fixtures.program import Program
from tests.storage.returned import deliver, make_bounce, write_letter
from tests.storage.samples import DAY, NOW

WEEKLY = {"slug": "weekly", "title": "AI Weekly", "schedule": "0 8 * * 1"}
RICH = {**WEEKLY, "topics": ["chips", "agents", "gpt-4.1"], "languages": ["en", "ja"]}


def fill(program: Program, emails: Iterable[str]) -> None:
    """Each person with two subscriptions, a mail that bounced and a letter."""
    program.configure(newsletters=[WEEKLY, {**WEEKLY, "slug": "daily"}])
    with program.app() as app, app.db.write() as conn:
        for email in emails:
            for slug in ("weekly", "daily"):
                new = NewSubscriber(email=email, newsletter=slug)
                subscribers.add(conn, new, consent="said so", now=NOW)
            deliver(conn, email)
            write_letter(conn, email)


def test_everything_about_a_person_is_shown(program: Program) -> None:
    """For the editor in lines, for the person as a document."""
    fill(program, ["ana@example.org", "bo@example.org"])

    shown = program.run("subscribers", "show", "ANA@example.org")
    document = program.json("subscribers", "show", "ana@example.org")
    nobody = program.run("subscribers", "show", "cy@example.org")

    assert shown.code == 0
    assert "  weekly: confirmed; since 2026-03-04; said so\n" in shown.out
    assert "  2026-03-04 issue weekly one to ana@example.org: sent 2.0.0 Ok\n" in shown.out
    assert "bo@" not in shown.out
    assert document["email"] == "ana@example.org"
    assert [one["newsletter"] for one in document["subscriptions"]] == ["weekly", "daily"]
    assert [(one["issue"], one["state"]) for one in document["issues"]] == [("one", "sent")]
    assert [one["kind"] for one in document["letters"]] == ["confirm"]
    assert document["no_mail"] is None
    assert "public_id" not in str(document)
    assert (nobody.code, nobody.err) == (1, "aggregator: nothing is kept about cy@example.org\n")


def test_a_person_is_forgotten(program: Program) -> None:
    """Nothing is left but a hash, which keeps the address out of lists; the others stay as they are."""
    fill(program, ["ana@example.org", "bo@example.org"])
    (program.folder / "people.csv").write_text("email,newsletter\nana@example.org,weekly\n")

    asked = program.run("subscribers", "forget", "ana@example.org")
    gone = program.json("subscribers", "forget", "Ana@Example.org", "--yes")
    shown = program.json("subscribers", "show", "ana@example.org")
    imported = program.run("subscribers", "import", "people.csv")
    dump = dump_everything(program)

    assert (asked.code, "Say --yes" in asked.err) == (2, True)
    assert gone == {"subscriptions": 2, "deliveries": 1, "letters": 1, "bounces": 0}
    assert shown["no_mail"]["reason"] == "forgotten on request"
    assert (shown["subscriptions"], shown["issues"], shown["letters"]) == ([], [], [])
    assert imported.out.endswith("0 added, 1 get no mail.\n")
    assert "ana@" not in dump
    assert dump.count("bo@example.org") >= 3
    assert program.run("subscribers", "forget", "nobody@example.org", "--yes").code == 1


def dump_everything(program: Program) -> str:
    """Every cell of every table."""
    with program.app() as app, app.db.read() as conn:
        return "\n".join(str(row) for table in metadata.sorted_tables for row in conn.execute(table.select()))


def test_an_address_is_allowed_again(program: Program) -> None:
    """With the reason why it was not; subscriptions that bounces ended come back when that is asked for."""
    fill(program, ["ana@example.org", "bo@example.org"])
    with program.app() as app, app.db.write() as conn:
        for email in ("ana@example.org", "bo@example.org"):
            bounce = make_bounce("hard", deliver(conn, email, "two", at=NOW + DAY))
            bounces.record(conn, bounce, raw=email.encode(), origin="maildir", now=NOW, rule=SoftRule())
        subscribers.remove(conn, "bo@example.org", newsletter="daily", reason="x", now=NOW)

    asked = program.run("subscribers", "allow", "ana@example.org")
    plain = program.run("subscribers", "allow", "ana@example.org", "--yes")
    again = program.run("subscribers", "allow", "ana@example.org", "--yes")
    revived = program.json("subscribers", "allow", "bo@example.org", "--yes", "--revive")
    states = {(one["email"], one["newsletter"]): one["state"] for one in program.json("subscribers", "list")}

    assert (asked.code, "bounced: 5.1.1" in asked.err) == (2, True)
    assert (plain.code, "bounced: 5.1.1" in plain.out) == (0, True)
    assert "Its subscriptions stay as they are" in plain.out
    assert again.code == 1
    assert (revived["revived"], revived["reason"][:14]) == (2, "bounced: 5.1.1")
    assert states == {
        ("ana@example.org", "weekly"): "ended",
        ("ana@example.org", "daily"): "ended",
        ("bo@example.org", "weekly"): "confirmed",
        ("bo@example.org", "daily"): "confirmed",
    }
