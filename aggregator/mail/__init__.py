"""The network out: an issue as e-mail, and the two ways it leaves. Never decides who gets what.

`message` builds the bytes of an issue once and makes each subscriber's own; `smtp` and `outbox` deliver them, both with
the one moment (`about_to_commit`) at which the ledger notes that a mail can no longer be taken back.
"""
