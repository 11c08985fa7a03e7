"""The program's own words: every one translated, none of it markup, each page in its reader's language."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from jinja2 import DictLoader

from aggregator.errors import RenderError
from aggregator.render import page
from aggregator.render.catalogues import Catalogues, load_translations
from aggregator.render.idiom import Idiom
from aggregator.render.newsletter import render_issue
from aggregator.render.templates import Templates, load_templates
from tests.render.samples import COMPOSED, FRONT, NEWSLETTER, SITE, TAGS

PROJECT = Path(__file__).resolve().parents[2]
LOCALE = PROJECT / "aggregator" / "data" / "locale"
JA = replace(SITE, language="ja", timezone="Asia/Tokyo", title="モデル通信", author="", description="")
#: Context, singular, plural: what makes a message.
Key = tuple[str | None, str, str]


def extract_messages() -> set[Key]:
    """Every message of the templates and of the desk, as `make messages` finds them."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    mappings = settings["tool"]["babel"]["mappings"]
    methods = [(one["pattern"], one["method"]) for one in mappings]
    options = {
        one["pattern"]: {key: value for key, value in one.items() if key not in ("method", "pattern")}
        for one in mappings
    }
    found = [
        message
        for folder in ("templates", "aggregator/web/desk")
        for message in extract_from_dir(PROJECT / folder, method_map=methods, options_map=options)
    ]
    messages = ((context, message) for _, _, message, _, context in found)
    return {(context, *((ids[0], ids[1]) if isinstance(ids, tuple) else (ids, ""))) for context, ids in messages}


def read_catalogue(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.name, abort_invalid=True)


def list_messages(catalogue: Catalog) -> dict[Key, tuple[str, ...]]:
    """Each message and its translations, one for each form of the plural."""
    found: dict[Key, tuple[str, ...]] = {}
    for message in catalogue:
        if message.id:
            singular, plural = message.id if isinstance(message.id, tuple) else (str(message.id), "")
            texts = message.string if isinstance(message.string, tuple) else (str(message.string or ""),)
            found[message.context, singular, plural] = texts
    return found


CATALOGUES = sorted(LOCALE.glob("*/messages.po"))


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parent.name)
def test_a_catalogue_has_every_message_of_the_templates_and_no_other(path: Path) -> None:
    """When this fails: `make messages`, then translate what is empty."""
    wanted, have = extract_messages(), list_messages(read_catalogue(path))

    assert not wanted - have.keys(), "missing: run `make messages`"
    assert not have.keys() - wanted, "stale: run `make messages`"
    assert not [key for key, texts in have.items() if not all(text.strip() for text in texts)], "not translated"


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parent.name)
def test_a_translation_fills_the_same_places_and_brings_no_markup(path: Path) -> None:
    """Translations are set into pages unescaped, between tags and in attributes."""
    for (_, singular, plural), texts in list_messages(read_catalogue(path)).items():
        places = set(re.findall(r"%\(\w+\)s", plural or singular))
        for text in texts:
            assert set(re.findall(r"%\(\w+\)s", text)) == places, singular
            assert "%" not in re.sub(r"%\(\w+\)s", "", text), singular
            assert not set(text) & set('<>&"'), singular


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parent.name)
def test_no_translation_is_uncertain(path: Path) -> None:
    """A fuzzy one would not be shown."""
    assert not [message.id for message in read_catalogue(path) if message.id and message.fuzzy]


def test_a_japanese_site_speaks_japanese() -> None:
    """Its menu, its dates, its error pages; the words of others stay theirs."""
    templates = load_templates()
    front = page.render_front(FRONT, site=JA, templates=templates)
    lost = page.render_error(JA, 404, "", templates=templates)

    assert all(word in front for word in ("バックナンバー", "2025年11月28日～12月5日", "短信", "本文へスキップ"))
    assert "Orrery 4: four models for four kinds of work" in front
    assert "お探しのページは見つかりません。" in lost
    assert "There is no page at this address." in page.render_error(SITE, 404, "", templates=templates)


def test_a_newsletter_speaks_its_own_language_whatever_the_site_speaks() -> None:
    """Mail, plain text and the body in the archive."""
    issue = replace(COMPOSED, newsletter=replace(NEWSLETTER, language="ja"))
    archive_url = f"{SITE.url}/issues/weekly/2025-W49"
    done = render_issue(issue, site=SITE, tags=TAGS, templates=load_templates(), archive_url=archive_url)

    for part in (done.mail_html, done.mail_text, done.web_html):
        assert "短信" in part and "In brief" not in part
    assert "フィード64件・記事412件から、話題18件。" in done.mail_text
    assert "ログインは要らず" in done.mail_html


def make_templates(folders: list[Path], text: str = '{{ _("Tags") }} {{ _("Topics") }}') -> Templates:
    return Templates(DictLoader({"page.html": text}), Catalogues(folders))


def write_catalogue(folder: Path, language: str, messages: dict[str, str]) -> Path:
    path = folder / language / "messages.po"
    path.parent.mkdir(parents=True)
    header = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
    lines = [f'msgid "{key}"\nmsgstr "{text}"\n' for key, text in messages.items()]
    path.write_text(header + "\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        ("ja", "タグ テーマ"),
        ("ja-JP", "タグ テーマ"),
        ("JA_jp", "タグ テーマ"),
        ("en", "Tags Topics"),
        ("de", "Tags Topics"),
        ("", "Tags Topics"),
        ("../../ja", "Tags Topics"),
        ("jav", "Tags Topics"),
    ],
)
def test_a_language_without_a_catalogue_is_told_in_english(language: str, shown: str) -> None:
    """A country's variant is told in its language."""
    say = Idiom(language=language, timezone="UTC")

    assert make_templates([LOCALE]).render("page.html", say=say) == shown


def test_an_editor_s_catalogue_comes_before_ours_message_by_message(tmp_path: Path) -> None:
    """A new language, or another word for one thing."""
    write_catalogue(tmp_path, "ja", {"Topics": "話題"})
    write_catalogue(tmp_path, "en", {"Topics": "Subjects"})
    write_catalogue(tmp_path, "pt-BR", {"Topics": "Assuntos"})
    templates = make_templates([tmp_path, LOCALE])

    shown = {
        tag: templates.render("page.html", say=Idiom(language=tag, timezone="UTC")) for tag in ("ja", "en", "pt-br")
    }

    assert shown == {"ja": "タグ 話題", "en": "Tags Subjects", "pt-br": "Tags Assuntos"}


def test_what_an_editor_has_not_translated_yet_is_said_in_our_words(tmp_path: Path) -> None:
    """They begin with a copy of ours that is empty; what counts must not turn into English because of that."""
    path = write_catalogue(tmp_path, "ja", {"Tags": ""})
    path.write_text(path.read_text() + 'msgid "%(count)s feed"\nmsgid_plural "%(count)s feeds"\nmsgstr[0] ""\n')
    translations = load_translations(Catalogues([tmp_path, LOCALE]).choose("ja"))

    assert translations.gettext("Tags") == "タグ"
    assert "フィード" in translations.ngettext("%(count)s feed", "%(count)s feeds", 2)


def test_a_country_s_own_words_come_before_those_of_the_language(tmp_path: Path) -> None:
    """And what the country does not say differently is said as in the language."""
    write_catalogue(tmp_path, "zh", {"Tags": "标签", "Topics": "主题"})
    write_catalogue(tmp_path, "zh-Hant", {"Tags": "標籤"})

    assert load_translations(Catalogues([tmp_path]).choose("zh-Hant-TW")).gettext("Tags") == "標籤"
    assert load_translations(Catalogues([tmp_path]).choose("zh-Hant-TW")).gettext("Topics") == "主题"


def test_each_language_counts_its_own_way(tmp_path: Path) -> None:
    """English without a catalogue; Japanese counts one and two alike, Polish does not."""
    path = write_catalogue(tmp_path, "pl", {})
    forms = "".join(f'msgstr[{at}] "%(num)s {word}"\n' for at, word in enumerate(("plik", "pliki", "plików")))
    path.write_text(path.read_text() + f'msgid "%(num)s file"\nmsgid_plural "%(num)s files"\n{forms}')
    path = write_catalogue(tmp_path, "ja", {})
    path.write_text(
        path.read_text() + 'msgid "%(num)s file"\nmsgid_plural "%(num)s files"\nmsgstr[0] "ファイル%(num)s件"\n'
    )
    templates = make_templates([tmp_path], '{{ ngettext("%(num)s file", "%(num)s files", count) }}')

    def tell(count: int, language: str) -> str:
        return templates.render("page.html", count=count, say=Idiom(language=language, timezone="UTC"))

    assert [tell(count, "en") for count in (1, 2)] == ["1 file", "2 files"]
    assert [tell(count, "ja") for count in (1, 2)] == ["ファイル1件", "ファイル2件"]
    assert [tell(count, "pl") for count in (1, 2, 5)] == ["1 plik", "2 pliki", "5 plików"]


@pytest.mark.parametrize("content", [b'msgid "\xff\xfe"', b"hello\n", b"\x00", b'msgid "%(a)s"\nmsgstr "%(b)s"'])
def test_a_broken_catalogue_is_named_by_check_and_by_render(tmp_path: Path, content: bytes) -> None:
    """The editor hears of it before the readers do."""
    path = write_catalogue(tmp_path / "locale", "ja", {})
    path.write_bytes(content)

    problems = load_templates([tmp_path]).check()

    assert [problem.file for problem in problems] == [str(path)]
    with pytest.raises(RenderError, match=r"ja/messages\.po: not a catalogue"):
        load_templates([tmp_path]).render("error.html", say=Idiom(language="ja", timezone="UTC"))


def test_a_folder_that_is_no_language_is_named_by_check(tmp_path: Path) -> None:
    """Babel must know its plurals."""
    path = write_catalogue(tmp_path / "locale", "klingon", {"Tags": "x"})

    assert [problem.file for problem in load_templates([tmp_path]).check()] == [str(path)]
