"""What SpamAssassin thinks of an issue. Nothing is asked over the network (``-L``), nothing is learnt between runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.mail.issues import mail_issue, render_sample

_REPORT = re.compile(r"Content analysis details:\s+\((-?[0-9.]+) points, [0-9.]+ required\)(.*)", re.DOTALL)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_spamassassin_finds_nothing_against_an_issue(language: str, tmp_path: Path) -> None:
    """As it is installed by Debian: 0 points or fewer; what it counted is shown when it is more."""
    program = shutil.which("spamassassin")
    if program is None:
        pytest.skip("spamassassin is not installed (apt-get install spamassassin)")
    mail = mail_issue(render_sample(language), language)
    ran = subprocess.run(
        [program, "--local", "--test-mode", "--nocreate-prefs"],
        input=mail.data,
        capture_output=True,
        env=os.environ | {"HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
        timeout=120,
        check=True,
    )
    # It adds its report behind the mail, which may hold anything.
    found = _REPORT.search(ran.stdout.decode("utf-8", "replace").rpartition("\nSpam detection software")[2])

    assert found, ran.stderr.decode()
    assert float(found[1]) <= 0, found[2]
    assert "MAILING_LIST_MULTI" in found[2], found[2]
