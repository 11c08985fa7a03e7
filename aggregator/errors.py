"""Every error that this program raises on purpose. Never holds logic; a bug stays a bug and is not wrapped.

::

    AggregatorError
    ├── ConfigError            the configuration (or another file the editor wrote) has mistakes
    ├── StorageError           the database said no
    │   ├── DatabaseUnavailable    unreachable, locked for too long, unwritable
    │   └── SchemaMismatch         older (run `db upgrade`) or newer than this program
    ├── ParseError             a document is no feed we can read: failure class and reason
    ├── RenderError            a template or a value could not be rendered
    ├── PublishError           a file of the static site could not be written
    ├── MailError              a message was not accepted
    │   ├── RecipientRefused       the fault lies with this address
    │   ├── SenderRefused          the fault lies with us: login, relaying, policy; pause the issue
    │   ├── MailUnavailable        nobody is at fault: greylisting, 421, time-out, dropped line; try again
    │   └── MailUncertain          the final dot was sent and no answer came: it may have been accepted
    ├── MailboxError           the box that mail comes back to could not be read: the folder or the server, and why
    ├── NotFound               the thing named by the user does not exist
    └── UsageError             the user asked for something that makes no sense here
"""

from __future__ import annotations

from dataclasses import dataclass


class AggregatorError(Exception):
    """The root: catching this catches all that a user can do something about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in a file that a person wrote; ``line`` counts from 1, 0 when there is none."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigError(AggregatorError):
    """All mistakes of a file at once, in the order of their lines."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class StorageError(AggregatorError):
    """The database refused or failed; the message names it without its password."""


class DatabaseUnavailable(StorageError):
    """Unreachable, locked for too long, or it cannot be written."""


class SchemaMismatch(StorageError):
    """The schema is older or newer than this program."""


class ParseError(AggregatorError):
    """A document that cannot be read as a feed.

    ``failure_class`` is one of `model.feed.FAILURE_CLASSES`; ``reason`` is a sentence for the editor.
    """

    def __init__(self, failure_class: str, reason: str) -> None:
        super().__init__(reason)
        self.failure_class = failure_class
        self.reason = reason

    def __reduce__(self) -> tuple[type[ParseError], tuple[str, str]]:
        return (type(self), (self.failure_class, self.reason))  # it crosses a process border in `sandbox`


class RenderError(AggregatorError):
    """A template or a value could not be rendered; the message names the template and its line, if known."""


class PublishError(AggregatorError):
    """A file of the static site could not be written; the message names it. What was there before is still there."""


class MailError(AggregatorError):
    """A message was not accepted. ``code``: the SMTP reply code, 0 without one; ``text``: the server's words."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}" if code else text)
        self.code = code
        self.text = text


class RecipientRefused(MailError):
    """5xx about this recipient (RFC 3463 x.1.x, x.2.x): others may go on."""


class SenderRefused(MailError):
    """Login, relaying or policy (RFC 3463 x.7.x, 530, 535): every further mail would fail the same way."""


class MailUnavailable(MailError):
    """4xx, a time-out or a dropped line: try again later."""


class MailUncertain(MailError):
    """The line was lost after the final dot: accepted or not (RFC 1047)? Leave the row `committing`."""


class MailboxError(AggregatorError):
    """The box that mail comes back to cannot be read just now; the message names the folder or the server."""


class NotFound(AggregatorError):
    """The thing that the user named does not exist."""


class UsageError(AggregatorError):
    """The user asked for something that makes no sense here."""
