"""Measuring how fast pictures are made: plans, timing, comparing, and the tables that tell of it.

`contenders` and `measure` import torch; the other modules are plain data and text.
"""
