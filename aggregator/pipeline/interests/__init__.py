"""What the editor says in plain words -> tags and words with points. Never asks a model: only taxonomy and word lists.

A paragraph is cut at the ends of its sentences and where a word turns it ("no", "less", "but", ``いらない``, ``不要``).
What stands in a part are the tags that the taxonomy finds there, and the words that are left when common ones are gone.
What was read wrongly is put right in the configuration: its own points for a tag or a word win.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

from aggregator.model.interest import Interest, InterestKind, Interests
from aggregator.model.tag import TagEvidence
from aggregator.pipeline.interests.wording import COMMON_WORDS

TAG_POINTS, WORD_POINTS = 2.0, 1.0
#: For what is said to matter most.
STRONG = 1.5
#: Words of one phrase; what is longer is taken for several.
MAX_PHRASE = 3
MAX_MADE = 100

#: (text, language) -> the tags in it.
FindTags = Callable[[str, str], Iterable[TagEvidence]]

_SENTENCE = re.compile(r"[.!?](?=\s|\Z)|[。！？!?；;\n]+|^\s*[-*•]\s", re.M)
_CLAUSE = re.compile(r"(?<!\d),|[，、,](?!\d)|\s[–—-]\s|[:：()（）]")
_KANA, _HAN = re.compile("[\u3040-\u30ff]"), re.compile("[\u4e00-\u9fff]")

_NOT_LESS = re.compile(
    r"\b(?:not (?:only|just|merely)|no less|nothing less|never enough|can(?:'t|not) get enough)\b", re.I
)
_LESS = re.compile(
    r"\b(?:no|not|never|none|nothing|without|less|fewer|least|skip|avoid|ignore|exclude|excluding|except|omit|drop|hide"
    r"|neither|nor|hate|dislike|bored|boring|tired|enough|uninteresting|cannot|apart from|rather than|instead of)\b"
    r"|n't\b",
    re.I,
)
_MORE = re.compile(
    r"\b(?:but|however|more|most|yes|please|love|like|likes|want|wants|prefer|enjoy|interested|care|cares|cover|follow|plus)\b",
    re.I,
)
_STRONG = re.compile(
    r"\b(?:especially|above all|most of all|particularly|mainly|first of all)\b|特に|とくに|最も|尤其|特别|特別", re.I
)
_LESS_JA = re.compile(
    r"いらない|いりません|要らない|不要|少なめ|少なく|減ら|以外|除[くきい]|ではなく|じゃなく|なし(?=$|で)|無し|避け|嫌|控えめ|見たくない"
    r"|読みたくない|(?:興味|関心)(?:が|は|も)?(?:ない|ありません|無い|なし)|飽き|やめて|しないで"
)
_MORE_JA = re.compile(
    r"好き|(?:興味|関心)(?:が|は|を|も)?(?:ある|あり|持)|知りたい|読みたい|見たい|重視|多め|追[いっう]|載せて|欲しい|ほしい|大事|大切|たい$"
)
_LESS_ZH = re.compile(
    r"不要|不想|不看|不需要|不[关關]心|不感[兴興]趣|不喜[欢歡]|[没沒]有?[兴興]趣|[别別](?!的|人|是)|少(?![年数數])|[无無]需|除了|除去|拒[绝絕]|排除|屏蔽"
    r"|[讨討][厌厭]|[厌厭]倦|而不是|避免|略[过過]|跳[过過]"
)
_MORE_ZH = re.compile(r"喜[欢歡]|[关關]注|(?<!不)感[兴興]趣|想看|想[读讀]|多(?!数|數)|更多|重[点點]|[关關]心|但")


def read_interests(asked: Interests, find_tags: FindTags) -> tuple[Interest, ...]:
    """All that counts, by kind and name. What the editor set wins over what the paragraph says; 0 takes it away."""
    found: dict[tuple[str, str], Interest] = {}
    for made in _read_paragraph(asked.text, find_tags):
        if len(found) < MAX_MADE or (made.kind, made.name) in found:
            found[made.kind, made.name] = made  # said twice, the last word counts
    for name, points in asked.points:
        kind: InterestKind = "feed" if "://" in name else "tag"
        found[kind, name] = Interest(name=name, kind=kind, points=points)
        found.pop(("word", name.replace("-", " ")), None)  # said in the paragraph by a word that is no alias of the tag
    for words, points in asked.words:
        name = _fold(words)
        found["word", name] = Interest(name=name, kind="word", points=points)
    return tuple(sorted((one for one in found.values() if one.points), key=lambda one: (one.kind, one.name)))


def _read_paragraph(text: str, find_tags: FindTags) -> Iterator[Interest]:
    for sentence in _SENTENCE.split(text):
        if not sentence or not sentence.strip():
            continue
        language = "ja" if _KANA.search(sentence) else "zh" if _HAN.search(sentence) else "en"
        strength = 1.0
        for part, sign in _split_by_sign(sentence, language):
            for position, piece in enumerate(_STRONG.split(part)):
                strength = STRONG if position else strength
                yield from _read_part(piece, language, sign * strength, find_tags)


def _read_part(part: str, language: str, strength: float, find_tags: FindTags) -> Iterator[Interest]:
    tags = [tag for tag in find_tags(part, language) if tag.found]
    for tag in tags:
        if not tag.rule.startswith("parent:"):  # who cares for Claude Code need not care for all of Anthropic
            yield Interest(name=tag.slug, kind="tag", points=TAG_POINTS * strength, said=tag.found)
    for phrase in _iter_phrases(part) if language == "en" else _iter_wide_words(_drop(part, tags), language):
        if _drop(phrase, tags).strip():  # "robot arms" says more than the tag of robots
            yield Interest(name=_fold(phrase), kind="word", points=WORD_POINTS * strength, said=phrase)


def _drop(text: str, tags: Iterable[TagEvidence]) -> str:
    for tag in tags:
        text = re.sub(re.escape(tag.found), " ", text, flags=re.I)
    return text


def _fold(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _split_by_sign(sentence: str, language: str) -> Iterator[tuple[str, int]]:
    match language:
        case "ja":
            yield from _split_japanese(sentence)
        case "zh":
            yield from _split_chinese(sentence)
        case _:
            yield from _split_english(sentence.replace("’", "'"))


def _split_english(sentence: str) -> Iterator[tuple[str, int]]:
    """A turn holds until the next one, over commas too ("no crypto, gossip or rumours"); what a clause says before its
    only turn is turned as well ("funding rounds do not interest me")."""
    sign = 1
    for clause in _CLAUSE.split(sentence):
        turns = [(m.start(), m.end(), 1) for m in _NOT_LESS.finditer(clause)]
        turns += [
            (m.start(), m.end(), -1) for m in _LESS.finditer(clause) if not any(a <= m.start() < b for a, b, _ in turns)
        ]
        turns += [(m.start(), m.end(), 1) for m in _MORE.finditer(clause) if not _is_turned(clause, m.start())]
        turns.sort()
        parts, start = [], 0
        for begin, end, turned in turns:
            parts.append((clause[start:begin], sign))
            start, sign = end, turned
        parts.append((clause[start:], sign))
        if sum(turned < 0 for _, _, turned in turns) == 1 and sign < 0 and not any(_iter_phrases(parts[-1][0])):
            parts = [(part, -1) for part, _ in parts]
        yield from parts


def _is_turned(clause: str, position: int) -> bool:
    """Whether the word at ``position`` belongs to a "not" before it: "do not want", "not interested", "no more"."""
    before = clause[max(0, position - 24) : position]
    found = list(_LESS.finditer(before))
    return bool(found) and not _NOT_LESS.search(before) and len(before[found[-1].end() :].split()) <= 1


def _split_japanese(sentence: str) -> Iterator[tuple[str, int]]:
    """The verb comes last: a clause without one of its own shares that of the next. Given in the order written."""
    clauses = [
        clause for piece in _CLAUSE.split(sentence) for clause in re.split(r"(?<=ではなく)て?|(?<=じゃなく)て?", piece)
    ]
    sign, signs = 1, []
    for clause in reversed(clauses):
        if _LESS_JA.search(clause):
            sign = -1
        elif _MORE_JA.search(clause):
            sign = 1
        signs.append(sign)
    turns = re.compile(f"{_LESS_JA.pattern}|{_MORE_JA.pattern}")
    yield from ((turns.sub(" ", clause), sign) for clause, sign in zip(clauses, reversed(signs), strict=True))


def _split_chinese(sentence: str) -> Iterator[tuple[str, int]]:
    """A turn holds for its whole clause, wherever it stands, and on over commas until the next one."""
    sign = 1
    turns = re.compile(f"{_LESS_ZH.pattern}|{_MORE_ZH.pattern}")
    for clause in re.split(r"[，,:：()（）]", sentence):
        if _LESS_ZH.search(clause):
            sign = -1
        elif _MORE_ZH.search(clause):
            sign = 1
        yield turns.sub(" ", clause), sign


_LATIN = re.compile(r"[^\W\d_][\w'+-]*(?:\.\w+)*|[^\s\w]")


def _iter_phrases(text: str) -> Iterator[str]:
    """Words that stand together, without the common ones."""
    common = COMMON_WORDS["en"]
    phrase: list[str] = []
    for word in [*_LATIN.findall(text), ","]:
        plain = word.casefold()
        if plain in common or not word[0].isalpha() or (len(word) < 3 and not word.isupper()):
            if phrase:
                yield from (" ".join(phrase[at : at + MAX_PHRASE]) for at in range(0, len(phrase), MAX_PHRASE))
            phrase = []
        else:
            phrase.append(word.removesuffix("'s"))


_JAPANESE = re.compile("[\u30a1-\u30fa\u30fc]{3,}|[A-Za-z][A-Za-z0-9+.-]{2,}|[\u4e00-\u9fff々]{2,}")
_CHINESE = re.compile("[A-Za-z][A-Za-z0-9+.-]{2,}|[\u4e00-\u9fff]{2,8}")


def _iter_wide_words(text: str, language: str) -> Iterator[str]:
    """Runs of one script (Japanese), and what stands between common characters (Chinese)."""
    common = COMMON_WORDS[language]
    for word in sorted(common, key=lambda word: (-len(word), word)):
        if language == "zh" or len(word) > 1:
            text = text.replace(word, " ")
    yield from (_JAPANESE if language == "ja" else _CHINESE).findall(text)
