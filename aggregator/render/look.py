"""A mail as a reader in the dark, or one in the light, sees it, whatever a machine is set to. Never changes a word."""

from __future__ import annotations

import re
from typing import Literal

Look = Literal["light", "dark"]
#: As templates write it: the media query that asks for the dark.
_DARK = re.compile(r"@media\s*\(\s*prefers-color-scheme\s*:\s*dark\s*\)", re.IGNORECASE)
#: What tells programs that the mail has colours of its own for both.
_BOTH = re.compile(r"""(color-scheme\s*:\s*|color-schemes?"\s+content=")light dark""", re.IGNORECASE)


def set_look(mail_html: str, look: Look) -> str:
    """The HTML with its dark colours always, or never."""
    asked = _DARK.sub("@media all" if look == "dark" else "@media not all", mail_html)
    return _BOTH.sub(rf"\g<1>{look}", asked)
