"""Exit codes that commands share, besides 0 for success, 1 for failure and 2 for wrong usage."""

INTERRUPTED = 130
"""128 plus the number of SIGINT, as in shells."""
