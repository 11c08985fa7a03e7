"""The editor's word, kept: said twice it is said once, and what it contradicts is taken back."""

from __future__ import annotations

from aggregator.model.ids import EntryId
from aggregator.model.story import Ruling, RulingKind
from aggregator.storage import rulings
from aggregator.storage.engine import Database
from tests.storage.samples import NOW, make_entry, save_entries


def make(kind: RulingKind, one: EntryId, other: EntryId | None = None) -> Ruling:
    return Ruling(kind=kind, entry_id=one, other_id=other)


def test_merge_and_never_take_each_other_back_whichever_entry_comes_first(db: Database) -> None:
    with db.write() as conn:
        a, b, c = save_entries(conn, *(make_entry(key) for key in "abc"))

        assert rulings.add(conn, make("merge", a, b), now=NOW)
        assert not rulings.add(conn, make("merge", b, a), now=NOW)
        assert rulings.add(conn, make("never", a, c), now=NOW)
        assert rulings.add(conn, make("never", b, a), now=NOW)
        assert rulings.list_rulings(conn) == (make("never", a, c), make("never", b, a))
        assert rulings.add(conn, make("merge", a, b), now=NOW)
        assert rulings.list_rulings(conn) == (make("never", a, c), make("merge", a, b))
        assert rulings.list_rulings(conn, [c]) == (make("never", a, c),)


def test_a_lead_said_again_is_said_last(db: Database) -> None:
    with db.write() as conn:
        a, b = save_entries(conn, make_entry("a"), make_entry("b"))
        said = [rulings.add(conn, make("lead", number), now=NOW) for number in (a, b, b, a)]
        found = rulings.list_rulings(conn)

    assert said == [True, True, False, True]
    assert found == (make("lead", b), make("lead", a))


def test_pin_and_bury_take_each_other_back(db: Database) -> None:
    with db.write() as conn:
        a, b = save_entries(conn, make_entry("a"), make_entry("b"))
        rulings.add(conn, make("pin", a), now=NOW)
        rulings.add(conn, make("pin", b), now=NOW)
        rulings.add(conn, make("bury", a), now=NOW)

        assert rulings.list_rulings(conn) == (make("pin", b), make("bury", a))
        assert rulings.withdraw(conn, make("pin", b))
        assert not rulings.withdraw(conn, make("pin", b))


def test_what_stands_between_two_groups_is_taken_back_at_once(db: Database) -> None:
    with db.write() as conn:
        a, b, c, d = save_entries(conn, *(make_entry(key) for key in "abcd"))
        for one, other in ((a, c), (d, b), (a, b)):
            rulings.add(conn, make("never", one, other), now=NOW)
        rulings.add(conn, make("lead", a), now=NOW)

        assert rulings.withdraw_between(conn, "never", [a, b], [c, d]) == 2
        assert rulings.list_rulings(conn) == (make("never", a, b), make("lead", a))


def test_what_is_taken_back_inside_a_group_leaves_what_it_says_about_others(db: Database) -> None:
    with db.write() as conn:
        a, b, c = save_entries(conn, *(make_entry(key) for key in "abc"))
        rulings.add(conn, make("never", a, b), now=NOW)
        rulings.add(conn, make("never", a, c), now=NOW)

        assert rulings.withdraw_between(conn, "never", [a, b], [a, b]) == 1
        assert rulings.list_rulings(conn) == (make("never", a, c),)


def test_many_pairs_are_said_as_one_after_the_other(db: Database) -> None:
    with db.write() as conn:
        a, b, c, d = save_entries(conn, *(make_entry(key) for key in "abcd"))
        for ruling in (make("merge", b, a), make("never", c, a), make("lead", a), make("merge", c, d)):
            rulings.add(conn, ruling, now=NOW)

        assert rulings.add_pairs(conn, "never", [(a, b), (a, c), (a, d), (d, a)], now=NOW) == 2
        assert rulings.add_pairs(conn, "never", [(b, a), (d, a)], now=NOW) == 0
        assert set(rulings.list_rulings(conn)) == {
            make("never", c, a),
            make("lead", a),
            make("merge", c, d),
            make("never", a, b),
            make("never", d, a),
        }
