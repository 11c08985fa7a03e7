"""Who is told of what happens, as the configuration has it."""

from __future__ import annotations

import base64
from pathlib import Path

from aggregator.config import load_config
from aggregator.config.settings import build_settings
from aggregator.model.notice import EVENTS, URGENT
from aggregator.model.tag import TagRules

SMALL = "site: {title: A, url: https://a.example/, contact: desk@example.org}\n"


def test_a_webhook_has_its_secret_from_the_file_or_beside_it(tmp_path: Path) -> None:
    """As bytes; who is told by mail hears of what waits for an editor."""
    key = b"geheim" * 5
    secret = f"whsec_{base64.b64encode(key).decode()}"
    (tmp_path / "hook").write_text(f"{secret}\n", encoding="utf-8")
    (tmp_path / "hook").chmod(0o644)
    hooks = (
        "    - {url: 'https://one.example/hook#top', secret_file: hook}\n"
        f"    - {{url: https://two.example/hook, secret: {secret}, events: [story.new]}}\n"
        "    - url: https://three.example/hook\n"
    )
    text = SMALL + f"mail: {{from: n@example.org}}\nalerts:\n  mail: [e@example.org]\n  webhooks:\n{hooks}"
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)
    config = load_config(path, {})
    alerts = build_settings(config, feeds=(), tag_rules=TagRules()).alerts

    assert [hook.key for hook in alerts.webhooks] == [key, key, b""]
    assert list(alerts.targets) == [
        "mail:e@example.org", "https://one.example/hook", "https://two.example/hook", "https://three.example/hook",
    ]  # fmt: skip
    assert (alerts.targets["mail:e@example.org"], alerts.webhooks[1].events) == (URGENT, ("story.new",))
    assert set(alerts.webhooks[0].events) == set(EVENTS)
    assert "geheim" not in repr(alerts) + repr(config) and secret not in repr(config)
    assert [str(problem).partition(": ")[2] for problem in config.warnings] == [
        "found a secret in a file that everybody can read, expected chmod 640 or 600",
        "alerts.webhooks[0].secret_file: found hook readable by everybody, expected chmod 600",
    ]
