"""A mail in the dark and in the light, whatever the machine says that looks at it."""

from __future__ import annotations

import pytest

from aggregator.render.look import Look, set_look

MAIL = """<meta name="color-scheme" content="light dark"><style>:root{color-scheme:light dark}a{color:red}
@media ( PREFERS-color-scheme : Dark ){body{background:#141513}}@media (max-width:480px){h2{font-size:24px}}</style>
<p>light dark, @media (prefers-color-scheme)</p>"""


@pytest.mark.parametrize(("look", "asked"), [("light", "@media not all"), ("dark", "@media all")])
def test_a_look_is_the_mails_own(look: Look, asked: str) -> None:
    """Its media query holds always, or never; the others, and what it says, stay."""
    seen = set_look(MAIL, look)

    assert f"{asked}{{body{{background:#141513}}}}" in seen
    assert f'<meta name="color-scheme" content="{look}">' in seen
    assert f":root{{color-scheme:{look}}}" in seen
    assert "@media (max-width:480px)" in seen
    assert seen.endswith("<p>light dark, @media (prefers-color-scheme)</p>")
