"""Addresses: which are safe to show, what they are relative to, when two mean the same page. Never opens one."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote_plus, urljoin, urlsplit, urlunsplit

#: The name that somebody registered, of a host's name; None when there is none. Who calls brings it and its list.
FindDomain = Callable[[str], str | None]
#: Longer links are not shown: no reader follows them, and mail programs break them.
MAX_URL_LENGTH = 2048

#: Query parameters that say who brought the reader, not which page is meant. Names in lower case; a name that ends in
#: ``*`` stands for all that begin so. Kept as plain data, one owner a line, so that a doubtful one is easily found.
TRACKING_PARAMETERS = (
    "utm_*",  # Google Analytics and everybody after it
    "gclid gclsrc gbraid wbraid dclid gad_source gad_campaignid srsltid _ga _gl",  # Google
    "fbclid fb_action_ids fb_action_types fb_source fb_ref action_object_map action_ref_map",  # Facebook
    "igshid igsh",  # Instagram
    "msclkid cvid ocid",  # Microsoft
    "twclid ref_src ref_url",  # X
    "ttclid li_fat_id trk trkcampaign epik rdt_cid",  # TikTok, LinkedIn, Pinterest, Reddit
    "yclid ymclid _openstat",  # Yandex
    "mc_cid mc_eid",  # Mailchimp
    "_hsenc _hsmi __hssc __hstc __hsfp hsctatracking",  # HubSpot
    "mkt_tok",  # Marketo
    "vero_id vero_conv",  # Vero
    "oly_enc_id oly_anon_id",  # Omeda
    "ml_subscriber ml_subscriber_hash",  # MailerLite
    "elqtrackid elqtrack assetid elqat elqcampaignid",  # Eloqua
    "wickedid",
    "s_cid icid ncid cmpid cmp",  # Adobe, publishers
    "at_medium at_campaign at_custom1 at_custom2 at_custom3 at_custom4 at_bbc_team at_link_id at_format",  # AT Internet
    "pk_* mtm_* piwik_* matomo_*",  # Matomo
    "hmb_campaign hmb_medium hmb_source",
    "wt_mc wt_zmc",  # Webtrekk
    "spm scm",  # Alibaba
    "smid smtyp",  # New York Times
    "ftag guccounter guce_referrer guce_referrer_sig",  # CBS, Yahoo
    "xtor",  # AT Internet, older
    "__s __twitter_impression",
    "amp_js_v usqp",  # AMP caches
)
_EXACT = frozenset(name for line in TRACKING_PARAMETERS for name in line.split() if not name.endswith("*"))
_PREFIXES = tuple(name[:-1] for line in TRACKING_PARAMETERS for name in line.split() if name.endswith("*"))

_DEFAULT_PORTS = {"http": 80, "https": 443}
# What browsers drop before they read an address (WHATWG URL, "basic URL parser", steps 1 to 3).
_EDGE = "".join(map(chr, range(0x21)))
_BREAKS = re.compile(r"[\t\n\r]")
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
_TO_ESCAPE = re.compile(r'[ "<>`{}|^\\]')
_SCHEME = re.compile(r"https?:", re.IGNORECASE)
#: Addresses of which every character is allowed where it stands: nearly all.
_SAFE = re.compile(r"https?://[a-z0-9-]++(?:\.[a-z0-9-]++)+(?:/[A-Za-z0-9!#$%&'()*+,./:;=?@_~-]*+)?\Z")
#: Addresses whose key is themselves, but for scheme, ``www.``, slashes at the end, the order of the query and fragment.
_SIMPLE = re.compile(
    r"https?://([a-z0-9-]++(?:\.[a-z0-9-]++)+)((?:/(?!\.)[A-Za-z0-9._~-]*+)*)"
    r"(?:\?([A-Za-z0-9._~-]++=[A-Za-z0-9._~-]*+(?:&[A-Za-z0-9._~-]++=[A-Za-z0-9._~-]*+)*))?"
    r"(?:#[A-Za-z0-9!$&'()*+,./:;=?@_~-]*+)?\Z"
)


def resolve_url(base: str, url: str) -> str:
    """``url`` as an absolute http(s) address, relative to ``base``; empty when that is impossible or unsafe.

    Unsafe: another scheme, no host, a user name before the host (``https://bank.example@evil.example/``), a backslash
    in the authority (browsers read it as a slash, others do not), control and bidirectional characters, over 2 KiB.
    """
    if len(url) <= MAX_URL_LENGTH and _SAFE.match(url):
        return url
    url = _BREAKS.sub("", url.strip(_EDGE))
    if not url or len(url) > MAX_URL_LENGTH:
        return ""
    try:
        absolute = url if _SCHEME.match(url) else urljoin(base, url)
    except ValueError:  # "http://[" and its kin
        return ""
    absolute = _TO_ESCAPE.sub(_escape, absolute) if is_web_url(absolute) else ""
    return absolute if len(absolute) <= MAX_URL_LENGTH else ""


def drop_query(url: str) -> str:
    """A feed's address as a base for what its posts point to: its query may hold the editor's own token."""
    return url.partition("#")[0].partition("?")[0]


def _escape(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"


def is_web_url(url: str) -> bool:
    """Whether ``url`` is an absolute http(s) address that may stand in a page: see `resolve_url` for what is unsafe."""
    if not _SCHEME.match(url) or _FORBIDDEN.search(url):
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return bool(host) and not any(character in parts.netloc for character in "@\\ <>\"'`{}|^%")


def canonicalize_url(url: str) -> str:
    """A key that is equal for two addresses of one page; empty when ``url`` is no safe http(s) address.

    It is a key, not an address to open: ``http`` becomes ``https``, ``www.``, default port, fragment, trailing slash
    and tracking parameters go, the query is sorted. Canonicalising twice changes nothing.
    """
    if len(url) <= MAX_URL_LENGTH and (simple := _SIMPLE.match(url)):
        plain = "https://" + _without_www(simple[1]) + simple[2].rstrip("/")
        query = _sort_query(simple[3]) if simple[3] else ""
        return f"{plain}?{query}" if query else plain
    from w3lib.url import canonicalize_url as canonicalize  # lazy: only new entries need it

    url = resolve_url("", url)
    if not url:
        return ""
    try:
        once = _without_extras(canonicalize(url))
        twice = _without_extras(canonicalize(once)) if once else ""
    except ValueError:
        return ""
    return twice


def _sort_query(query: str) -> str:
    """By name, then by value, of a query that is all of plain pairs."""
    return _without_tracking("&".join(map("=".join, sorted(part.split("=") for part in query.split("&")))))


def _without_extras(url: str) -> str:
    parts = urlsplit(url)
    host = _without_www((parts.hostname or "").rstrip("."))
    if not host:
        return ""
    port = parts.port
    netloc = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS.get(parts.scheme):
        netloc = f"{netloc}:{port}"
    return urlunsplit(("https", netloc, parts.path.rstrip("/"), _without_tracking(parts.query), ""))


def _without_www(host: str) -> str:
    while host.startswith("www.") and host.count(".") > 1:
        host = host[4:]
    return host


def _without_tracking(query: str) -> str:
    """What stays, stays byte for byte: a query need not be UTF-8."""
    parts = query.split("&")
    return "&".join(part for part in parts if not is_tracking_parameter(unquote_plus(part.partition("=")[0])))


def is_tracking_parameter(name: str) -> bool:
    """Whether a query parameter of this name only says who brought the reader."""
    name = name.lower()
    return name in _EXACT or name.startswith(_PREFIXES)
