"""Checks of the engine on an accelerator: `python -m tests.gpu`.

Offline, five minutes at most, safe to stop at any time. The models have real sizes and random
weights, so nothing is downloaded. `--dry` runs the same rows with tiny models on a CPU.
"""
