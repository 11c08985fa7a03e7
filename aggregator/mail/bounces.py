"""What a returned mail means and which mail of ours it speaks of. Pure: bytes in, a `model.bounce.Bounce` out.

Anybody may write to a return path, so one thing only is believed: an address that we made and signed
(`mail.addresses`). It names the row; what a report says of recipients is never looked at. Without such an address a
mail is ``other``, whatever it claims: a forged bounce ends nobody's subscription. The address is known to those whose
mail it was on, so the most that somebody can forge is their own.

Standards first: an unsubscribing mail, a complaint (RFC 5965), a delivery report (RFC 3464, 6533). Then what mail
systems write in words of their own, by flufl.bounce and `bounces_codes`. Machines that answer for people who are away
are told from those that return mail.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from email.message import Message
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

from aggregator.mail.addresses import ReturnKind, read_return_address
from aggregator.mail.bounces_codes import Verdict, find_code, find_status, judge, judge_words, load_table
from aggregator.mail.bounces_mime import (
    MAX_BYTES,
    Fields,
    find_feedback,
    get_header,
    get_headers,
    get_returned,
    get_text,
    iter_parts,
    iter_status_blocks,
    open_mail,
)
from aggregator.mail.replies import to_line
from aggregator.model.bounce import Bounce, BounceSubject
from aggregator.model.subscriber import BounceKind

#: Where a mail system notes to whom the mail came, the surest first.
_ENVELOPE = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To", "To", "Cc")
_OURS = re.compile(r"[a-z0-9._-]{1,26}\+[dlu][1-9][0-9]{0,18}-[a-z2-7]{16}@[a-z0-9.-]{1,253}", re.IGNORECASE)
#: So many addresses that look like ours are tried.
_MAX_TRIED = 50
_SUBJECTS: dict[ReturnKind, BounceSubject] = {
    "delivery": "delivery",
    "letter": "letter",
    "unsubscribe": "subscription",
}
#: Kinds that something follows from.
_TELLING = frozenset({"hard", "soft", "policy", "complaint", "unsubscribe"})
#: The milder one counts when one mail reports several recipients: an alias that leads to two people, one of them gone.
_MILDEST: tuple[Verdict, ...] = ("policy", "soft", "hard")
_GOOD = ("delivered", "relayed", "expanded")
_DAEMON = re.compile(
    r"mailer-?daemon|postmaster|mail[- ]?delivery|delivery (sub)?system|mail system|system administrator", re.IGNORECASE
)
#: Behind this stands the mail that is returned, whose words are ours.
_COPY = re.compile(
    r"^(-{2,}(?![^\n]{0,80}transcript)[^\n]{0,80}"
    r"\b(copy of|original (e-?mail |mail )?message|original mail|returned (message|mail)|message (headers?|follows))\b"
    r"|(>? ?)?(Return-Path|Received|Message-ID|DKIM-Signature): )",
    re.IGNORECASE | re.MULTILINE,
)
_MAX_SAID = 4_000
#: What flufl.bounce is shown: its patterns go over every line some fifty times.
_MAX_LINES, _MAX_LINE = 300, 200


class _Finding(NamedTuple):
    kind: BounceKind
    status: str = ""
    code: int = 0
    diagnostic: str = ""


def read_bounce(raw: bytes, key: bytes) -> Bounce:
    """Return what a mail that came to our return paths means; ``key`` is the one they were signed with."""
    message = open_mail(raw)
    envelope = next(_find_ours(key, get_headers(message, *_ENVELOPE)), None)
    if envelope and envelope[0] == "unsubscribe":
        return Bounce(kind="unsubscribe", about="subscription", about_id=envelope[1])
    feedback = find_feedback(message)
    about = envelope or _find_inside(message, raw, key, is_complaint=feedback is not None)
    found = _judge_feedback(feedback) if feedback is not None else _judge_report(message) or _judge_text(message)
    kind = found.kind if about or found.kind not in _TELLING else "other"
    return Bounce(
        kind=kind,
        about=_SUBJECTS[about[0]] if about else "",
        about_id=about[1] if about else 0,
        status=found.status,
        code=found.code,
        diagnostic=to_line(found.diagnostic),
    )


def _find_ours(key: bytes, texts: Iterable[str]) -> Any:
    """Every address of ours in the texts whose proof is right."""
    candidates = (match[0] for text in texts for match in _OURS.finditer(text))
    for candidate in islice(candidates, _MAX_TRIED):
        if found := read_return_address(key, candidate):
            yield found


def _find_inside(message: Message, raw: bytes, key: bytes, *, is_complaint: bool) -> tuple[ReturnKind, int] | None:
    """Where the mail came to an address without a proof: in what is sent back.

    Our own mails name the address that unsubscribes by mail. In a complaint, whose sender may have taken out all else,
    it says whose mail it is; in a bounce it must not end anything.
    """
    texts = (get_returned(message), raw[:MAX_BYTES].decode("ascii", "replace"), get_text(message))
    found = list(_find_ours(key, texts))
    return next((one for one in found if one[0] != "unsubscribe"), found[0] if found and is_complaint else None)


def _judge_feedback(fields: Fields) -> _Finding:
    kind = fields.get("feedback-type", "").lower().split(";")[0].strip()
    complains = kind in load_table().complaints
    source = fields.get("user-agent") or fields.get("reporting-mta") or ""
    return _Finding("complaint" if complains else "other", diagnostic=f"{kind or 'unnamed'} report {source}".strip())


def _judge_report(message: Message) -> _Finding | None:
    """By the fields of a delivery report; None: it has none."""
    blocks = [fields for fields in iter_status_blocks(message) if "final-recipient" in fields or "action" in fields]
    if not blocks:
        return None
    failed = [_judge_block(fields, message) for fields in blocks if _get_action(fields) == "failed"]
    if not failed:
        return _Finding("other", find_status(blocks[0].get("status", "")), diagnostic=_get_diagnostic(blocks[0]))
    mildest = min(failed, key=lambda one: _MILDEST.index(one.kind))
    if mildest.kind == "hard" and any(_get_action(fields) != "failed" for fields in blocks):
        return mildest._replace(kind="soft")
    return mildest


def _get_action(fields: Fields) -> str:
    """``failed``, or anything else when the mail has arrived or may still."""
    action = fields.get("action", "").lower()
    if action.startswith(("fail", "error")):
        return "failed"
    if action.startswith(("delayed", *_GOOD)):
        return action
    return "failed" if fields.get("status", "").lstrip().startswith("5") else action


def _get_diagnostic(fields: Fields) -> str:
    kind, separator, words = fields.get("diagnostic-code", "").partition(";")
    return words.strip() if separator and len(kind) < 20 else kind


def _judge_block(fields: Fields, message: Message) -> _Finding:
    diagnostic = _get_diagnostic(fields)
    status = find_status(fields.get("status", ""))
    # The general 5.0.0 is said beside the exact code of the server that refused.
    if not status or status.endswith(".0.0"):
        status = find_status(diagnostic) or status
    words = diagnostic or _take_said(get_text(message))
    code = find_code(diagnostic)
    return _Finding(judge(status, code, words), status, code, diagnostic or words)


def _judge_text(message: Message) -> _Finding:
    """By what the mail says in words: home-made bounces, and machines that answer."""
    if any(part.get_content_type() == "message/disposition-notification" for part in iter_parts(message)):
        return _Finding("reply")
    is_daemon = _is_daemon(message)
    is_reply = _is_reply(message)
    if is_reply and not is_daemon:
        return _Finding("reply", diagnostic=get_header(message, "Subject"))
    text = get_text(message)
    said = _take_said(text)
    passing, final = _scan(message, text)
    status, code = find_status(said), find_code(said)
    if final or (is_daemon and not passing and (status or code)):
        return _Finding(judge(status, code, said), status, code, _take_telling(said, status, code))
    verdict = judge_words(said) if is_daemon and not passing else None
    if verdict:
        return _Finding(verdict, diagnostic=_take_telling(said, "", 0))
    return _Finding("reply" if is_reply else "other", status, code, get_header(message, "Subject"))


def _is_daemon(message: Message) -> bool:
    if get_headers(message, "X-Failed-Recipients"):
        return True
    return bool(_DAEMON.search(f"{get_header(message, 'From')} {get_header(message, 'Sender')}"))


def _is_reply(message: Message) -> bool:
    table = load_table()
    by_header = (begin.match(value) for name, begin in table.reply_headers for value in get_headers(message, name))
    return any(by_header) or bool(table.reply_subjects.search(get_header(message, "Subject")))


def _take_said(text: str) -> str:
    """What stands before the returned mail, which may speak of spam and of full mailboxes, too."""
    found = _COPY.search(text)
    return text[: found.start() if found else None][:_MAX_SAID]


def _take_telling(said: str, status: str, code: int) -> str:
    """The lines about the refusal rather than the greeting before them."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = (
        line for line in lines if (status and status in line) or (code and str(code) in line) or judge_words(line)
    )
    return next(telling, " ".join(lines))


def _scan(message: Message, text: str) -> tuple[bool, bool]:
    """Whether flufl.bounce finds recipients that wait, and recipients that are refused."""
    shown = Message()
    for name in ("From", "Subject", "X-Failed-Recipients"):
        for value in get_headers(message, name)[:1]:
            shown[name] = value
    lines: Sequence[str] = [line[:_MAX_LINE] for line in text.split("\n", _MAX_LINES)[:_MAX_LINES]]
    shown.set_payload("\n".join(lines))
    try:
        waiting, refused = _load_scanner()(shown)
    except (LookupError, ValueError, TypeError, AttributeError):  # a sender's name without an address is enough
        return False, False
    return bool(waiting), bool(refused)


@cache
def _load_scanner() -> Any:
    from flufl.bounce import all_failures

    logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)  # it names every pattern it tries
    return all_failures
