"""The revisions, one file each. A released one is never edited."""
