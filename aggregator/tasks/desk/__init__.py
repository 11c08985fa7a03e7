"""What an editor does at the desk: each a change, its line in the audit log, and its undo. Never a page."""
