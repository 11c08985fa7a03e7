"""The kinds with a grammar of their own: durations, zones, schedules, addresses, languages. Never asks the network.

Each is a `Kind` constant; what it accepts is said in its first argument, which is also the message of a mistake.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from aggregator.config.kinds import Kind, Unfit, read_text, show_value
from aggregator.model.feed import MAX_SELECTOR

_DURATION = re.compile(r"([1-9][0-9]{0,8})(s|m|h|d)")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST = timedelta(days=3_660)


def parse_duration(value: str) -> timedelta:
    """``90s``, ``15m``, ``36h``, ``7d`` -> timedelta; `Unfit` for anything else and above ten years."""
    match = _DURATION.fullmatch(value)
    if not match:
        raise Unfit
    seconds = int(match[1]) * _UNIT_SECONDS[match[2]]
    if seconds > _LONGEST.total_seconds():
        raise Unfit("a duration of at most 3660d")
    return timedelta(seconds=seconds)


def format_duration(value: timedelta) -> str:
    """The shortest form that `parse_duration` reads back, in the largest unit that leaves no rest."""
    seconds = int(value.total_seconds())
    unit = next(unit for unit in ("d", "h", "m", "s") if seconds % _UNIT_SECONDS[unit] == 0)
    return f"{seconds // _UNIT_SECONDS[unit]}{unit}"


DURATION = Kind("a duration such as 90s, 15m, 36h or 7d", lambda value: parse_duration(read_text(value)))


#: In the zone database, but nothing that another machine would read the same way.
_NO_PLACES = {"localtime", "Factory", "posixrules"}


def _read_timezone(value: object) -> str:
    from zoneinfo import ZoneInfo, available_timezones

    name = read_text(value)
    try:
        if name in _NO_PLACES:
            raise Unfit
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        zones = available_timezones() - _NO_PLACES
        by_city = [zone for zone in sorted(zones) if zone.rpartition("/")[2].lower() == name.lower()]
        near = by_city or difflib.get_close_matches(name, zones, n=1)
        hint = f' (did you mean "{near[0]}"?)' if near else ""
        raise Unfit(f"{TIMEZONE.expected}{hint}") from None
    return name


TIMEZONE = Kind("a time zone such as Europe/Berlin or UTC", _read_timezone)
_CRON_FIELDS = ("minute", "hour", "day-of-month", "month", "day-of-week")
_CRON_RANGES = {
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31",
    "month": "1-12 or jan-dec",
    "day-of-week": "0-7 or sun-sat",
}


def _read_schedule(value: object) -> str:
    from cronsim import CronSim, CronSimError

    fields = read_text(value).split()
    if len(fields) != len(_CRON_FIELDS):
        raise Unfit(f"five cron fields ({', '.join(_CRON_FIELDS)}) instead of {len(fields)}")
    schedule = " ".join(fields)
    try:
        next(CronSim(schedule, datetime(2024, 1, 1, tzinfo=UTC)))
    except StopIteration:
        raise Unfit("a schedule that comes to pass some day") from None
    except CronSimError as error:
        bad = str(error).removeprefix("Bad ")
        if bad not in _CRON_RANGES:
            raise Unfit(f"a cron schedule such as 0 8 * * 1 ({error})") from None
        found = fields[_CRON_FIELDS.index(bad)]
        raise Unfit(f'{_CRON_RANGES[bad]} in the {bad} field instead of "{found}"') from None
    return schedule


SCHEDULE = Kind("five cron fields such as 0 8 * * 1", _read_schedule)


def _read_network(value: object) -> str:
    found = read_text(value)
    try:
        return str(ipaddress.ip_network(found))
    except ValueError:
        pass
    try:
        wider = ipaddress.ip_network(found, strict=False)
    except ValueError:
        raise Unfit from None
    raise Unfit(f"a network whose host bits are zero (did you mean {wider}?)")


NETWORK = Kind("a network such as 192.168.0.0/16 or fd00::/8", _read_network)


def split_url(found: str) -> SplitResult:
    """An absolute http(s) address without user name; `Unfit` says what is wrong."""
    if any(c.isspace() or not c.isprintable() or c in '<>"' for c in found):
        raise Unfit("a web address without spaces, quotes or control characters")
    try:
        parts = urlsplit(found)
        port = parts.port
    except ValueError:
        raise Unfit from None
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname or port == 0:
        raise Unfit
    return parts


_CREDENTIALS = re.compile(r"//[^/?#]*@")


def hide_credentials(url: str) -> str:
    """The address with ``***`` where a user name and a password stood."""
    return _CREDENTIALS.sub("//***@", url)


def show_address(value: object) -> str:
    """As `show_value`, without a password."""
    return show_value(hide_credentials(value) if isinstance(value, str) else value)


def _read_url(value: object) -> str:
    found = read_text(value)
    parts = split_url(found)
    if parts.username is not None or parts.password is not None:
        raise Unfit("a web address without a user name or password in it")
    return found


URL = Kind("a web address beginning with http:// or https://", _read_url, show=show_address)


_JSON_PATH = re.compile(r"[A-Za-z0-9_-]{1,60}(?:\.[A-Za-z0-9_-]{1,60}){0,7}")


def _read_json_path(value: object) -> str:
    found = read_text(value)
    if not _JSON_PATH.fullmatch(found):
        raise Unfit
    return found


JSON_PATH = Kind("names of members with dots between them, such as _hn.points", _read_json_path)
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def _read_host(value: object) -> str:
    found = read_text(value).lower()
    if found != "*" and not _HOST.fullmatch(found):
        raise Unfit
    return found


HOST = Kind("a host or a domain such as reddit.com, or * for all", _read_host)


def _read_list_place(value: object) -> str:
    found = read_text(value)
    if "://" in found:
        return _read_url(found)
    if len(found) > 1_000 or not found.isprintable():
        raise Unfit
    return found


LIST_PLACE = Kind("the path or the web address of an OPML file", _read_list_place, show=show_address)


def _read_selector(value: object) -> str:
    from cssselect import HTMLTranslator, SelectorError

    found = read_text(value)
    if len(found) > MAX_SELECTOR:
        raise Unfit
    try:
        HTMLTranslator().css_to_xpath(found)
    except (SelectorError, RecursionError) as error:
        reason = str(error).rstrip(".")
        raise Unfit(f"{SELECTOR.expected} ({reason[:1].lower()}{reason[1:]})") from None
    return found


SELECTOR = Kind("a CSS selector such as article.post", _read_selector)


def _read_site_url(value: object) -> str:
    found = _read_url(value)
    if "?" in found or "#" in found:
        raise Unfit("a web address without ? and #")
    if not found.isascii():
        raise Unfit("a web address in ASCII (xn--... for other letters in a host name, %XX in a path)")
    return found.rstrip("/")


SITE_URL = Kind(
    "the public address of this site, beginning with http:// or https://", _read_site_url, show=show_address
)
_LANGUAGE = re.compile(
    r"([a-z]{2,3})(-[a-z]{4})?(-(?:[a-z]{2}|[0-9]{3}))?((?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)", re.I
)


def _read_language(value: object) -> str:
    match = _LANGUAGE.fullmatch(read_text(value))
    if not match:
        raise Unfit
    primary, script, region, variants = match.groups(default="")
    return primary.lower() + script.title() + region.upper() + variants.lower()


LANGUAGE = Kind("a language tag such as en, ja or zh-Hant (BCP 47)", _read_language)
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_TEMPLATE = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.mjml")
_TAG = re.compile(r"[a-z0-9]+(?:[-.][a-z0-9]+)*")


def _match(pattern: re.Pattern[str], value: object, limit: int) -> str:
    found = read_text(value)
    if len(found) > limit or not pattern.fullmatch(found):
        raise Unfit
    return found


SLUG = Kind("lower-case letters, digits and single hyphens, at most 60", lambda value: _match(_SLUG, value, 60))
TAG = Kind(
    "a tag: lower case, hyphens between words, dots kept, such as gpt-4.1", lambda value: _match(_TAG, value, 80)
)

TEMPLATE = Kind("the name of a template ending in .mjml, without a folder", lambda value: _match(_TEMPLATE, value, 100))


def _read_interest(value: object) -> str:
    found = read_text(value)
    return _read_url(found) if "://" in found else _match(_TAG, found, 80)


INTEREST = Kind("a tag such as openai, or the address of a feed", _read_interest)


def check_email(found: str) -> str:
    """The address in its normal form; `Unfit` with the reason. Asks no name server."""
    from email_validator import EmailNotValidError, validate_email

    try:
        checked = validate_email(
            found, strict=True, check_deliverability=False, test_environment=True, allow_smtputf8=False
        )
        return checked.ascii_email or checked.normalized
    except EmailNotValidError as error:
        reason = str(error).rstrip(".")
        raise Unfit(f"an e-mail address ({reason[:1].lower()}{reason[1:]})") from None


EMAIL = Kind("an e-mail address", lambda value: check_email(read_text(value)))


_MAILBOX = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]+)>")
#: What must stand in quotes in a display name (RFC 5322 3.2.3).
_SPECIALS = re.compile(r'[()<>@,:;".\[\]\\]')


def _read_mailbox(value: object) -> str:
    found = read_text(value)
    if not found.isprintable():
        raise Unfit
    match = _MAILBOX.fullmatch(found)
    address = check_email(match["address"].strip() if match else found)
    name = " ".join(match["name"].split()) if match else ""
    if name.startswith('"') and name.endswith('"') and len(name) > 1:
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    if _SPECIALS.search(name):
        name = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return f"{name} <{address}>" if name else address


MAILBOX = Kind("a sender such as AI Weekly <news@example.org>", _read_mailbox)


def _read_contact(value: object) -> str:
    found = read_text(value)
    if not found.isascii():
        raise Unfit(f"{CONTACT.expected}, in ASCII")
    return _read_url(found) if "://" in found else check_email(found)


CONTACT = Kind("an e-mail address or the web address of a page about you", _read_contact)


def split_listen(found: str) -> tuple[str, int]:
    """``127.0.0.1:8000`` or ``[::1]:8000`` -> (host, port)."""
    host, colon, port = found.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 0 <= int(port) <= 65_535:
        raise Unfit
    if host.startswith("[") and host.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(host[1:-1])), int(port)
        except ValueError:
            raise Unfit from None
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", host):
        raise Unfit
    return host, int(port)


def _read_listen(value: object) -> str:
    found = read_text(value)
    split_listen(found)
    return found


LISTEN = Kind("a host and a port such as 127.0.0.1:8000 or [::1]:8000", _read_listen)
_DATABASE = re.compile(r"sqlite:///(?P<path>[^?#]+)|postgresql://[^\s/?#]*/[^\s/?#]+(\?\S*)?")


def _read_database(value: object) -> SecretStr:
    found = read_text(value)
    if not found.isprintable() or not _DATABASE.fullmatch(found):
        raise Unfit
    return SecretStr(found)


DATABASE = Kind("sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME", _read_database, show=show_address)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
#: What the fetcher itself says in every request.
_OWN_HEADERS = re.compile(
    "accept-encoding|connection|content-length|host|if-modified-since|if-none-match|range|te|transfer-encoding|upgrade"
    "|user-agent",
    re.I,
)


def _read_header_name(value: object) -> str:
    found = read_text(value)
    if not _HEADER_NAME.fullmatch(found):
        raise Unfit
    if _OWN_HEADERS.fullmatch(found):
        raise Unfit("a header that the fetcher does not set itself")
    return found


HEADER_NAME = Kind("the name of an HTTP header", _read_header_name)
