"""Every recorded feed through the whole program: nothing is lost between what a document holds and what is stored."""

from __future__ import annotations

import io
import json
from pathlib import Path

import feedparser
import pytest

from tests.fixtures.http_server import TestHttpServer
from tests.fixtures.program import Program

EXPECTED = Path(__file__).parent / "pipeline" / "data" / "corpus_failures.json"


def find_feeds(corpus: Path) -> list[Path]:
    return sorted(path for path in (corpus / "feeds").rglob("*") if path.is_file())


def count_by_feedparser(body: bytes) -> int:
    """How many entries the reference parser finds; options off, as in the program, so that it takes seconds.

    It reads no JSON Feed: there the items are counted.
    """
    if body.lstrip().startswith(b"{") and b"jsonfeed.org/version" in body:
        return len(json.loads(body)["items"])
    headers = {"content-type": "application/xml"}
    found = feedparser.parse(
        io.BytesIO(body), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
    )
    return len(found.entries)


def change_nothing(body: bytes) -> bytes:
    """Other bytes with the same meaning, so that a second round has to read the document again."""
    return body if b"\0" in body[:64] else body + b"\n"


@pytest.mark.filterwarnings("ignore::DeprecationWarning:feedparser")
def test_every_entry_of_the_corpus_is_stored_folded_or_rejected_with_its_reason(
    corpus: Path, program: Program, http_server: TestHttpServer
) -> None:
    """new + rejected + folded = what feedparser finds, feed by feed; read again nothing is new or changed; a 304
    brings no document at all. SQLite gets every second feed, PostgreSQL, where it takes longer, every sixth."""
    chosen = find_feeds(corpus)[:: 2 if program.is_sqlite else 6]
    files = {f"/{number}": path for number, path in enumerate(chosen)}
    urls = {http_server.add(name, path.read_bytes()): path for name, path in files.items()}
    program.configure(feeds=[{"url": url} for url in urls])

    first = program.json("fetch", "--all")
    for name, path in files.items():
        http_server.add(name, change_nothing(path.read_bytes()), etag=f'"{name}"')
    second = program.json("fetch", "--all")
    third = program.json("fetch", "--all")

    failures = {relative(urls[f["url"]], corpus): [f["class"], f["reason"]] for f in first["failures"]}
    lines, wrong = [], []
    for result in first["results"]:
        name = relative(urls[result["url"]], corpus)
        found = count_by_feedparser(urls[result["url"]].read_bytes())
        new, rejected, folded = result["new"], len(result["rejected"]), result["folded"]
        lines.append(f"{name}: {new} new, {rejected} rejected, {folded} folded of {found}")
        lines += [f"    entry {entry['index']}: {entry['reason']}" for entry in result["rejected"]]
        if new + rejected + folded != found:
            wrong.append(lines[-1])
    print("\n".join(lines))

    assert not wrong
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))
    names = {relative(path, corpus) for path in chosen}
    assert failures == {name: failure for name, failure in expected.items() if name in names}
    assert (second["new"], second["changed"], second["failed"]) == (0, 0, first["failed"])
    assert second["unchanged"] > (2500 if program.is_sqlite else 500)
    assert (third["new"], third["changed"], third["ok"]) == (0, 0, 0)
    assert {result["status"] for result in third["results"] if result["not_modified"]} == {304}


def relative(path: Path, corpus: Path) -> str:
    return path.relative_to(corpus).as_posix()
