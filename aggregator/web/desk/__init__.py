"""The desk: the pages where an editor runs the paper, and the same by a JSON API. Never open without an account."""
