"""The monitor's newest sample."""

from __future__ import annotations

from sdtui.monitor import Monitor, Sample


class Hardware:
    """Looks at the hardware every few seconds, on the monitor's own thread."""

    def __init__(self, interval: float = 5.0) -> None:
        self._monitor = Monitor(interval)
        self.sample: Sample | None = None

    def start(self) -> None:
        """Begin to look."""
        self._monitor.start(self._take)

    def stop(self) -> None:
        """Look no more."""
        self._monitor.stop()

    def look(self) -> Sample:
        """Look now, on the calling thread."""
        return self._monitor.sample()

    def _take(self, sample: Sample) -> None:
        self.sample = sample
