"""The network out: an issue as e-mail, and the two ways it leaves; what comes back. Never decides who gets what.

`message` builds the bytes of an issue once and makes each subscriber's own. `smtp` (by `engine`, over many lines at
once) and `outbox` deliver them, both asking the ledger before the one moment after which a mail can no longer be taken
back. `bounces` reads what comes back.
"""
