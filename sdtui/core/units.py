"""Format bytes, speeds and durations."""

from __future__ import annotations


def gibibytes(count: float) -> str:
    """Bytes in GiB, without the unit."""
    return f"{count / 2**30:.1f}" if count < 100 * 2**30 else f"{count / 2**30:.0f}"


def data_size(count: float) -> str:
    """Bytes in KiB, MiB or GiB, with the unit."""
    if 0 < count < 2**20 / 10:
        return f"{count / 2**10:.1f} KiB"
    if count < 100 * 2**20:
        return f"{count / 2**20:.1f} MiB"
    return f"{count / 2**20:.0f} MiB" if count < 2**30 else f"{gibibytes(count)} GiB"


def step_rate(steps_per_second: float) -> str:
    """Denoising speed in it/s, or in s/it below one step per second."""
    if steps_per_second >= 1:
        return f"{steps_per_second:.1f} it/s"
    return f"{1 / steps_per_second:.1f} s/it"


def duration(seconds: float) -> str:
    """A duration in seconds, minutes or hours, with their units."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, remainder = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {remainder:02} s"
    return f"{minutes // 60} h {minutes % 60} min"


def clock_duration(seconds: float) -> str:
    """A duration as on a clock, for narrow places: "8 s", "1:10" or "2:05:00"."""
    minutes, remainder = divmod(round(seconds), 60)
    if not minutes:
        return f"{remainder} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{remainder:02}" if hours else f"{minutes}:{remainder:02}"
