"""What rules search for: words as they stand in a text, or an expression between slashes; both become RE2's.

Only checks and translates: `pipeline.rules` searches. RE2 takes time in proportion to the text, whatever the
expression, and therefore knows neither looking around nor backreferences.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from aggregator.config.kinds import Kind, Unfit, read_text
from aggregator.model.rule import EXPRESSION_MEMORY, MAX_INSTRUCTIONS, Patterns

MAX_PATTERN = 500
#: Written without spaces, or with endings joined to words: next to them a word may begin and end anywhere.
_WIDE = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\x{30FC}"
#: RE2's own \b knows ASCII only: it would find "caf" in "café".
_BEFORE = rf"(?:^|[^\pL\pN\pM_]|[{_WIDE}])"
_AFTER = rf"(?:$|[^\pL\pN\pM_]|[{_WIDE}])"
_WIDE_EDGE = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u30ff\u3130-\u318f\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]"
)
#: Full-width letters are searched for as plain ones, as in the text.
_PLAIN = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
#: What stands in expressions and hardly ever in a title.
_LOOKS_LIKE_EXPRESSION = re.compile(r"\.[*+]|\\[bBdDsSwWpA.]|\(\?|\(i\?\)|\[[^\]]+\][*+?]|^\^|[^$\s\d]\$$|\w\|\w")

_UNKNOWN = {
    "(?=": "(?=...): looking ahead is not supported; ask for both in two conditions",
    "(?!": "(?!...): looking ahead is not supported; what must not be there stands under not:",
    "(?<=": "(?<=...): looking behind is not supported; write what comes before as well",
    "(?<!": "(?<!...): looking behind is not supported; what must not be there stands under not:",
    "(?>": "(?>...), which is not supported and not needed: no expression is slow",
    "(?P": "(?P=...): repeating what a group found is not supported",
}


def _read_pattern(value: object) -> str:
    if isinstance(value, int | float):
        raise Unfit(f"{PATTERN.expected} (put it in quotes)")
    found = read_text(value)
    if len(found) > MAX_PATTERN:
        raise Unfit(f"a pattern of at most {MAX_PATTERN} characters")
    if not all(character.isprintable() for character in found):
        raise Unfit("a pattern without control characters")
    expression = _unwrap(found)
    if expression is not None:
        if not expression:
            raise Unfit("an expression between the slashes")
        if "(i?)" in expression:
            raise Unfit("an expression without (i?): upper and lower case are the same anyway, (?-i) tells them apart")
        _check(expression)
    elif _LOOKS_LIKE_EXPRESSION.search(found):
        raise Unfit(f"plain words, or an expression between slashes such as /{found.strip('/')}/")
    elif not any(character.isalnum() for character in found):
        raise Unfit("a pattern with a letter or a digit")
    return found


PATTERN = Kind("words, or an expression between slashes such as /GPT-[5-9]/", _read_pattern)


def make_patterns(written: Iterable[str]) -> Patterns | None:
    """All patterns of one field in one expression; None for no pattern. They must have been checked one by one."""
    words = tuple(dict.fromkeys(written))
    if not words:
        return None
    pieces = [f"(?:{expression})" for word in words if (expression := _unwrap(word)) is not None]
    # Unicode's classes are large: they are written once for all words that need them on the same sides.
    sides: dict[tuple[bool, bool], list[str]] = {}
    for word in words:
        if _unwrap(word) is None:
            before, after, middle = _translate(word)
            sides.setdefault((before, after), []).append(middle)
    for (before, after), middles in sides.items():
        pieces.append(f"{_BEFORE if before else ''}(?:{'|'.join(middles)}){_AFTER if after else ''}")
    return Patterns(written=words, expression="|".join(pieces))


def check_whole(patterns: Patterns) -> str:
    """What is wrong with all patterns of a field together, each good alone; empty when nothing is."""
    try:
        _check(patterns.expression)
    except Unfit as error:
        return f"fewer or simpler patterns ({error})"
    return ""


def _unwrap(pattern: str) -> str | None:
    """The expression between slashes; None when there are none."""
    return pattern[1:-1] if len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/") else None


def _translate(words: str) -> tuple[bool, bool, str]:
    """(a word begins there, a word ends there, the expression between) of plain words."""
    plain = words.translate(_PLAIN)
    open_end = plain.endswith("*")
    plain = plain.rstrip("*").strip() or plain
    middle = r"\s+".join(re.sub(r"[^\w\s]", lambda sign: _escape(sign[0]), word) for word in plain.split())
    return _is_edge(plain[0]), _is_edge(plain[-1]) and not open_end, middle


def _escape(sign: str) -> str:
    return f"\\{sign}" if sign.isascii() else sign


def _is_edge(character: str) -> bool:
    return character.isalnum() and not _WIDE_EDGE.match(character)


def _check(expression: str) -> None:
    """Raises `Unfit` when RE2 does not take ``expression``, in words."""
    import re2

    options = re2.Options()
    options.log_errors = False  # or it writes to standard error
    options.case_sensitive = False
    options.never_capture = True
    options.max_mem = EXPRESSION_MEMORY
    try:
        size: int = re2.compile(expression, options).programsize
    except re2.error as error:
        said = error.args[0] if error.args else ""
        raise Unfit(_explain(said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said))) from None
    if size > MAX_INSTRUCTIONS:
        raise Unfit("a smaller expression (repetitions of large classes make it enormous)")


def _explain(said: str) -> str:
    """RE2's message in plain words."""
    kind, _, part = said.partition(": ")
    match kind:
        case "invalid perl operator" | "invalid named capture group":
            return f"an expression without {_UNKNOWN.get(part, f'{part}, which is not supported')}"
        case "invalid escape sequence" if part[1:2].isdigit():
            return f"an expression without {part}: repeating what a group found is not supported"
        case "invalid escape sequence" if part == "\\Z":
            return r"an expression with \z for the end of the text instead of \Z"
        case "invalid escape sequence":
            return f"an expression without {part}, which is not supported (a \\ before a sign means the sign itself)"
        case "missing )" | "missing ]":
            return f'an expression with a closing "{kind[-1]}"'
        case "unexpected )":
            return r'an expression with an opening "(" for each ")"; the sign itself is written \)'
        case "no argument for repetition operator" | "bad repetition operator":
            return f"something to repeat before {part}; the sign itself is written \\{part[-1:]}"
        case "invalid repetition size":
            return f"at most 1000 repetitions in all instead of {part}"
        case "invalid character class range":
            return f"a class of characters that exists instead of {part}"
        case "trailing \\":
            return "an expression that does not end with \\"
    if "too large" in said:
        return "a smaller expression (repetitions of large classes make it enormous)"
    return f"a valid expression ({said})"
