"""How passwords are kept: by argon2id, with parameters that cost a guesser something."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.low_level import Type

from aggregator.storage import accounts
from aggregator.tasks.desk.accounts import create_account, has_password
from tests.fixtures.program import Program


def test_a_password_is_kept_by_argon2id_alone(program: Program) -> None:
    program.configure()
    with program.app() as app:
        account = create_account(app, "anna", "correct horse battery", role="editor")
        with app.db.read() as conn:
            found = accounts.find(conn, "anna")
        right, wrong = (has_password(app, account, word) for word in ("correct horse battery", "correct horse"))

    assert found is not None and found[1].startswith("$argon2id$") and "correct" not in found[1]
    assert (right, wrong) == (True, False)
    used = PasswordHasher()
    assert used.type is Type.ID and used.memory_cost >= 64 * 1024 and used.time_cost >= 3
