"""Bytes and times as people read them."""

from __future__ import annotations


def gibibytes(count: float) -> str:
    """Bytes in the unit that memory is counted in."""
    return f"{count / 2**30:.1f}" if count < 100 * 2**30 else f"{count / 2**30:.0f}"


def data_size(count: float) -> str:
    """Bytes with the unit that suits them."""
    if count < 100 * 2**20:
        return f"{count / 2**20:.1f} MiB"
    return f"{count / 2**20:.0f} MiB" if count < 2**30 else f"{gibibytes(count)} GiB"


def step_rate(steps_per_second: float) -> str:
    """Speed of denoising: it/s, or s/it below one step a second."""
    if steps_per_second >= 1:
        return f"{steps_per_second:.1f} it/s"
    return f"{1 / steps_per_second:.1f} s/it"


def duration(seconds: float) -> str:
    """A time span, short."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
