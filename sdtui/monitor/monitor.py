"""Sample the hardware on a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from sdtui.monitor.sample import GpuSample, Sample
from sdtui.monitor.torch_gpus import torch_gpus

OnSample = Callable[[Sample], object]


class Monitor:
    """Samples the hardware every `interval` seconds on its own thread, in case a driver hangs."""

    def __init__(self, interval: float = 1.0) -> None:
        self.interval = interval
        self.has_sampled = threading.Event()
        """Set after the first sample, when the libraries have been imported."""
        self.latest: Sample | None = None
        """The latest sample."""
        self._stopped = threading.Event()
        self._gpus: Callable[[], tuple[GpuSample, ...]] | None = None

    def start(self, on_sample: OnSample | None = None) -> None:
        """Start sampling. `on_sample` is called on the monitor's thread and must be quick."""
        threading.Thread(
            target=self._run, args=(on_sample,), name="sdtui-monitor", daemon=True
        ).start()

    def stop(self) -> None:
        """Stop sampling, without waiting for the thread."""
        self._stopped.set()

    def wait_for_sample(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the first sample; return whether there is one."""
        return self.has_sampled.wait(timeout)

    def sample(self) -> Sample:
        """Take a sample. The CPU load is that since the last one."""
        # Imported on the monitor's thread, so that the window doesn't wait for them.
        import psutil

        from sdtui.monitor.nvidia import Nvidia

        if self._gpus is None:
            self._gpus = Nvidia().sample
        memory = psutil.virtual_memory()
        return Sample(
            time=time.time(),
            ram_used=memory.total - memory.available,
            ram_total=memory.total,
            own_ram=_own_ram(),
            cpu=psutil.cpu_percent(),
            gpus=self._gpus() or torch_gpus(),
        )

    def _run(self, on_sample: OnSample | None) -> None:
        while not self._stopped.is_set():
            self.latest = self.sample()
            if on_sample is not None:
                on_sample(self.latest)
            self.has_sampled.set()
            self._stopped.wait(self.interval)


def _own_ram() -> int:
    import psutil

    from sdtui.monitor.own_processes import own_processes

    used = 0
    for process in own_processes():
        with suppress(psutil.NoSuchProcess):  # a worker has just ended
            used += process.memory_info().rss
    return used
