"""What the form for subscribers says of each newsletter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aggregator.model.settings import Site
from aggregator.pipeline.schedule import read_rhythm
from aggregator.render.forms import Filled, render_subscribe
from aggregator.tasks.specimens import make_newsletter
from tests.render.samples import SITE
from tests.render.test_page import TEMPLATES

JAPANESE = replace(SITE, language="ja")


@pytest.mark.parametrize(
    ("site", "schedule", "wanted"),
    [
        (SITE, "0 8 * * 1", "Every Monday at 8:00 (Asia/Tokyo)"),
        (SITE, "30 17 * * *", "Every day at 17:30 (Asia/Tokyo)"),
        (SITE, "0 8 * * 1,4", "At 08:00 on Monday and Thursday (Asia/Tokyo)"),
        (JAPANESE, "0 8 * * 1", "毎週月曜日 8:00 (Asia/Tokyo)"),
        (JAPANESE, "30 17 * * *", "毎日 17:30 (Asia/Tokyo)"),
        (JAPANESE, "0 8 * * 1,4", ""),
    ],
)
def test_when_a_newsletter_comes(site: Site, schedule: str, wanted: str) -> None:
    """In the site's language, in the newsletter's zone; what cannot be said there is left out."""
    newsletter = replace(make_newsletter(), schedule=schedule, timezone="Asia/Tokyo")
    text = render_subscribe(
        site,
        templates=TEMPLATES,
        newsletters=(newsletter,),
        rhythms={newsletter.slug: read_rhythm(schedule)},
        topics=(),
        stamp="",
        filled=Filled(),
    )
    assert wanted in text if wanted else "Asia/Tokyo" not in text
    assert newsletter.description in text
