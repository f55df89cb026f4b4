"""Benchmarks: plan them, measure them, and compare reports.

`contenders` and `measure` import torch; the other modules are plain data and text.
"""
