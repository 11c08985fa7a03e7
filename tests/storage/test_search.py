"""Search on both databases: the same words find the same entries, newest first, however they were stored."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from aggregator.model.ids import EntryId
from aggregator.model.search import Phrase, SearchQuery
from aggregator.pipeline.query import make_words, read_query
from aggregator.storage.engine import Database
from aggregator.storage.schema import entries, search_entries
from aggregator.storage.search import COUNT_CAP, SearchFound, search
from aggregator.storage.search_index import save_words
from tests.storage.samples import DAY, NOW, ensure_feed, make_entry, save_entries, save_story

TEXTS = {
    "newest": "OpenAI releases GPT-4.1 mini, a smaller model.",
    "second": "新しい言語モデルを発表した。検索の研究。",
    "third": "Meta's Llama3 beats GPT-4o. C++ bindings follow, says the model card.",
    "fourth": "人工智能公司發布了新模型。",
    "fifth": "Models search the web: agents, a search engine for agents, and the mini GPT.",
    "oldest": "Modell für Übersetzung; 모델 인공지능은 새롭다.",
}


def add(conn: Connection, texts: Mapping[str, str]) -> dict[str, EntryId]:
    """Store and index texts under their names, each a minute older than the one before, each in a story."""
    ids = save_entries(conn, *(make_entry(name, title=name) for name in texts))
    by_name = dict(zip(texts, ids, strict=True))
    index(conn, {by_name[name]: text for name, text in texts.items()})
    for number in ids:
        save_story(conn, number)
    return by_name


def index(conn: Connection, texts: Mapping[EntryId, str]) -> int:
    return save_words(conn, {number: make(text) for number, text in texts.items()})


def find(db: Database, *typed: str, limit: int = 10) -> list[str]:
    """For each question the names of what it finds."""
    with db.read() as conn:
        names = {row.id: row.title for row in conn.execute(sa.select(entries.c.id, entries.c.title))}
        return [" ".join(names[number] for number in search(conn, read_query(one), limit=limit).ids) for one in typed]


def test_words_find_entries_newest_first(db: Database) -> None:
    with db.write() as conn:
        add(conn, TEXTS)

    asked = {
        "model": "newest third fifth",
        "models": "newest third fifth",
        "gpt": "newest third fifth",
        "gpt-4.1": "newest",
        "GPT 4.1": "newest",
        "gpt-4.1-mini": "newest",
        '"mini gpt"': "fifth",
        '"gpt mini"': "",
        "mini gpt": "newest fifth",
        "gpt -mini": "third",
        'gpt -"mini gpt"': "newest third",
        "llama-3": "third",
        "llama 3": "third",
        "gpt4o": "third",
        "c++": "third",
        "ubersetzung": "oldest",
        "検索": "second",
        "言語モデル": "second",
        "言モデ": "",
        "モデル": "second",
        "公司": "fourth",
        "發布": "fourth",
        "发布": "fourth",
        "公": "fourth",
        "新": "second fourth",
        "인공지능": "oldest",
        "language:en gpt": "newest third fifth",
        "language:ja gpt": "",
        "nothing of this": "",
        "' \" OR 1=1; --": "",
    }
    assert dict(zip(asked, find(db, *asked), strict=True)) == asked


def test_what_claims_a_later_moment_waits_for_it(db: Database) -> None:
    """Where readers ask; to the minute, as entries stand in the index."""
    with db.write() as conn:
        (now, later) = (
            *save_entries(conn, make_entry("now"), at=NOW),
            *save_entries(conn, make_entry("l"), at=NOW + DAY),
        )
        index(conn, dict.fromkeys((now, later), "words"))
        for number in (now, later):
            save_story(conn, number)
    query = read_query("words")
    with db.read() as conn:
        found = [search(conn, query, limit=9, until=until).ids for until in (NOW - DAY, NOW, NOW + DAY, None)]

    assert found == [(), (now,), (later, now), (later, now)]


def test_pages_do_not_shift_and_counts_end_at_the_cap(db: Database) -> None:
    many = {f"n{number:04}": "common words" for number in range(COUNT_CAP + 5)}
    with db.write() as conn:
        by_name = add_in_bulk(conn, many)
    query = read_query("common")
    with db.read() as conn:
        first = search(conn, query, limit=10)
    with db.write() as conn:
        (later,) = save_entries(conn, make_entry("later"), at=NOW + DAY)
        index(conn, {later: "common"})
        save_story(conn, later)
    with db.read() as conn:
        second = search(conn, query, limit=10, before=first.next_before)
        few = search(conn, read_query('common "common words"'), limit=COUNT_CAP + 20)
        names = list(many)

    assert [first.count, first.is_capped] == [COUNT_CAP, True]
    assert list(first.ids) == [by_name[name] for name in names[:10]]
    assert list(second.ids) == [by_name[name] for name in names[10:20]]
    assert (second.count, second.is_capped) == (COUNT_CAP, True)
    assert [len(few.ids), few.next_before] == [COUNT_CAP + 5, None]


def add_in_bulk(conn: Connection, texts: Mapping[str, str]) -> dict[str, EntryId]:
    ids = save_entries(conn, *(make_entry(name, title=name) for name in texts))
    by_name = dict(zip(texts, ids, strict=True))
    index(conn, {by_name[name]: text for name, text in texts.items()})
    save_story(conn, *ids)
    return by_name


def test_every_entry_is_on_one_page_only(db: Database) -> None:
    with db.write() as conn:
        add(conn, {f"n{number}": "a phrase of words" if number % 3 else "words of a phrase" for number in range(40)})
    seen: list[EntryId] = []
    with db.read() as conn:
        page = search(conn, read_query('"phrase of words"'), limit=4)
        seen += page.ids
        while page.next_before is not None:
            page = search(conn, read_query('"phrase of words"'), limit=4, before=page.next_before)
            seen += page.ids

    assert (len(seen), len(set(seen)), page.count, page.is_capped) == (26, 26, 26, False)


def test_indexed_twice_changes_nothing_and_an_edit_is_found_by_its_new_words(db: Database) -> None:
    with db.write() as conn:
        by_name = add(conn, TEXTS)
        again = index(conn, {by_name["third"]: TEXTS["third"]})
        edited = index(conn, {by_name["third"]: "A quite different text about llamas"})
        repeated = index(conn, {by_name["third"]: TEXTS["third"]})
        back = index(conn, {by_name["third"]: "A quite different text about llamas"})

    assert (again, edited, repeated, back) == (0, 1, 1, 1)
    assert find(db, "llama3", "llamas", "gpt") == ["", "third", "newest fifth"]


def test_what_is_gone_hidden_or_in_no_story_is_not_found(db: Database) -> None:
    with db.write() as conn:
        by_name = add(conn, TEXTS)
        conn.execute(sa.update(entries).where(entries.c.id == by_name["newest"]).values(hidden=True))
        conn.execute(sa.update(entries).where(entries.c.id == by_name["third"]).values(story_id=None))
        save_words(conn, {by_name["fifth"]: ""})
    assert find(db, "gpt", "検索") == ["", "second"]
    with db.write() as conn:
        conn.execute(sa.update(entries).values(story_id=None))
        conn.execute(sa.text("DELETE FROM stories"))
        conn.execute(sa.delete(entries).where(entries.c.id == by_name["second"]))
        index(conn, {by_name["fifth"]: "gpt"})
        kept = set(conn.scalars(sa.select(search_entries.c.entry_id)))
        count = search(conn, read_query("検索"), limit=5).count

    assert by_name["second"] not in kept
    assert count == 0


def test_ids_of_no_entry_and_questions_with_a_problem_are_passed_over(db: Database) -> None:
    with db.write() as conn:
        ensure_feed(conn)
        saved = save_words(conn, {EntryId(99): "word"})
    with db.read() as conn:
        found = [search(conn, read_query(typed), limit=5) for typed in ("", "-x", "x" * 2000, "word")]
        none = search(conn, SearchQuery(text="a", wanted=((("a",),),)), limit=0)

    assert saved == 0
    assert found == [SearchFound()] * 4
    assert none == SearchFound()


def test_entries_of_one_minute_have_keys_of_their_own(db: Database) -> None:
    """More of them than a minute has room for, and one of them edited."""
    count = 1_030
    with db.write() as conn:
        ids = save_entries(conn, *(make_entry(f"e{number}") for number in range(count)))
        conn.execute(sa.update(entries).values(effective_at=NOW))
        index(conn, dict.fromkeys(ids, "same words"))
        index(conn, {ids[0]: "other words"})
        save_story(conn, *ids)
    with db.read() as conn:
        found = search(conn, read_query("words"), limit=2 * count)

    assert sorted(found.ids) == sorted(ids)


def test_instants_before_1970_and_far_ahead_have_places(db: Database) -> None:
    with db.write() as conn:
        early, late = save_entries(conn, make_entry("early"), make_entry("late"))
        conn.execute(sa.update(entries).where(entries.c.id == early).values(effective_at=NOW.replace(year=1, month=2)))
        conn.execute(sa.update(entries).where(entries.c.id == late).values(effective_at=NOW.replace(year=9999)))
        index(conn, {early: "words", late: "words"})
        save_story(conn, early, late)
    with db.read() as conn:
        found = search(conn, read_query("words"), limit=5)

    assert found.ids == (late, early)


def test_both_databases_find_what_reading_every_text_would(db: Database) -> None:
    """Random texts of few words, so that most words are close to most others, and random questions."""
    random = Random(4)
    pieces = (
        "gpt-4",
        "model",
        "models",
        "of",
        "検索",
        "言語モデル",
        "モデ",
        "人工",
        "工人",
        "c++",
        "llama 3",
        "a",
        ".",
    )

    def write(count: int) -> str:
        return "".join(random.choice(pieces) + random.choice((" ", " ", "")) for _ in range(count))

    texts = {f"n{number}": write(random.randrange(1, 12)) for number in range(60)}
    with db.write() as conn:
        by_name = add_in_bulk(conn, texts)
    words = {number: f" {make(texts[name])} " for name, number in by_name.items()}
    asked = [
        random.choice(("", "", "-")).join(("", write(1))) + random.choice((' "{}"', " {}", ' -"{}"')).format(write(2))
        for _ in range(150)
    ]
    with db.read() as conn:
        found = {typed: set(search(conn, read_query(typed), limit=60).ids) for typed in asked}

    def holds(text: str, phrase: Phrase) -> bool:
        return f" {' '.join(phrase)} " in text

    for typed, ids in found.items():
        query = read_query(typed)
        expected = {
            number
            for number, text in words.items()
            if query.wanted
            and all(any(holds(text, phrase) for phrase in phrases) for phrases in query.wanted)
            and not any(holds(text, phrase) for phrase in query.excluded)
        }
        assert ids == expected, typed
    assert sum(map(bool, found.values())) > 50


def make(text: str) -> str:
    return make_words(title="", author="", excerpt="", text=text, language="en")
