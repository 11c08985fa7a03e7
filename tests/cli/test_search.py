"""``aggregator entries list --search``: what readers find, under the other conditions, or a clear word why not."""

from __future__ import annotations

import pytest

from tests.fixtures.program import Program

POST = "---\ntitle: Post {number}\ndate: 2025-12-0{number}\n---\nA {words} of GPT-4.1. 検索の話。\n"


@pytest.fixture
def read(program: Program) -> Program:
    folder = program.folder / "posts"
    folder.mkdir()
    for number, words in enumerate(("lantern", "violin", "lantern festival"), 1):
        (folder / f"{number}.md").write_text(POST.format(number=number, words=words), encoding="utf-8")
    program.configure(feeds=[{"folder": "posts"}])
    program.run("fetch")
    program.run("stories", "refresh")
    return program


def test_entries_are_listed_by_their_words(read: Program) -> None:
    def titles(*options: str) -> list[str]:
        return [entry["title"] for entry in read.json("entries", "list", *options)]

    assert titles("--search", "lanterns") == ["Post 3", "Post 1"]
    assert titles("--search", "検索 gpt-4.1 -violin", "--limit", "1") == ["Post 3"]
    assert titles("--search", "検索", "--until", "2025-12-02") == ["Post 2", "Post 1"]
    assert titles("--search", "submarine") == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("",), "no word was given"),
        (('-- "',), "no letter or digit"),
        (("-lantern",), "something that is wanted"),
        (("x" * 10_000,), "more than 1000 characters"),
        (("人" * 900,), "more than 48 words"),
        (("lantern", "--hidden"), "hidden entries"),
    ],
)
def test_what_cannot_be_searched_for_is_said(read: Program, options: tuple[str, ...], said: str) -> None:
    done = read.run("entries", "list", f"--search={options[0]}", *options[1:])

    assert done.code == 2
    assert said in " ".join(done.err.split())
