"""Benchmarks: plan them, measure them, compare reports, and print tables.

`contenders` and `measure` import torch; the other modules are plain data and text.
"""
