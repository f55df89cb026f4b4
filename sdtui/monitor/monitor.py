"""Monitor: a slow thread of its own that looks at the hardware."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sdtui.monitor.sample import GpuSample, Sample

OnSample = Callable[[Sample], object]


class Monitor:
    """Takes a sample every `interval` seconds and hands it on, on its own thread: a driver that
    hangs then holds up nothing else."""

    def __init__(self, interval: float = 1.0) -> None:
        self.interval = interval
        self.has_looked = threading.Event()
        """Set after the first look: the libraries that it takes are loaded then."""
        self.latest: Sample | None = None
        """The newest sample that was handed on."""
        self._stopped = threading.Event()
        self._gpus: Callable[[], tuple[GpuSample, ...]] | None = None

    def start(self, on_sample: OnSample | None = None) -> None:
        """Begin. `on_sample` must be quick and safe to call from another thread."""
        threading.Thread(
            target=self._run, args=(on_sample,), name="sdtui-monitor", daemon=True
        ).start()

    def stop(self) -> None:
        """Take no more samples. Doesn't wait."""
        self._stopped.set()

    def wait_for_sample(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the first sample; return whether there is one."""
        return self.has_looked.wait(timeout)

    def sample(self) -> Sample:
        """Look once. The CPU's share is that since the last look."""
        # Imported here, on the monitor's thread, so that the window needn't wait for them.
        import psutil

        from sdtui.monitor.nvidia import Nvidia

        if self._gpus is None:
            self._gpus = Nvidia().sample
        memory = psutil.virtual_memory()
        return Sample(
            time=time.time(),
            ram_used=memory.total - memory.available,
            ram_total=memory.total,
            own_ram=psutil.Process().memory_info().rss,
            cpu=psutil.cpu_percent(),
            gpus=self._gpus(),
        )

    def _run(self, on_sample: OnSample | None) -> None:
        while not self._stopped.is_set():
            self.latest = self.sample()
            if on_sample is not None:
                on_sample(self.latest)
            self.has_looked.set()
            self._stopped.wait(self.interval)
