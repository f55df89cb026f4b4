"""Exit codes that commands share, beside 0 for done, 1 for failed and 2 for wrong usage."""

INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""
