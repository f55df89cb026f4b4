"""A server with a scripted GPU behind a slow line, in a process of its own.

    python -m tests.benchmarks.slow_line FOLDER PORT STEP_SECONDS DELAY_MS KBIT

Serves on PORT, and on PORT + 1 over a line with this delay in each direction and this rate.
FOLDER/bytes has the number of bytes that went to clients.
"""

from __future__ import annotations

import asyncio
import random
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sdtui.core.files import write_atomic
from sdtui.core.settings import Settings
from sdtui.requests import events
from tests.support.live_server import live
from tests.support.scripted_generator import ScriptedGenerator

_SIDE = 64
"""Pixels of a preview: the latents of a picture of 512 pixels."""
_PACKET = 1400


class Line:
    """A proxy on loopback that delays and throttles."""

    def __init__(self, target: int, delay: float, kbit: float) -> None:
        """`delay` is in seconds, for one direction."""
        self._target = target
        self._delay = delay
        self._rate = kbit * 125
        self.bytes = 0

    async def serve(self, port: int) -> None:
        """Serve until the process ends."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", port, limit=4096)
        await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own = socket.socket()
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        own.setblocking(False)
        await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", self._target))
        reader_behind, writer_behind = await asyncio.open_connection(sock=own, limit=4096)
        for each in (writer, writer_behind):
            each.transport.set_write_buffer_limits(4096)
        await asyncio.gather(
            self._pump(reader, writer_behind, counted=False),
            self._pump(reader_behind, writer, counted=True),
            return_exceptions=True,
        )

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool
    ) -> None:
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=64)

        async def take() -> None:
            data = b"..."
            while data:
                data = await reader.read(_PACKET)
                await waiting.put((time.monotonic() + self._delay, data))

        taking = asyncio.ensure_future(take())
        free = 0.0
        try:
            while True:
                due, data = await waiting.get()
                if not data:
                    return
                free = max(free, time.monotonic()) + len(data) / self._rate
                self.bytes += len(data) if counted else 0
                await asyncio.sleep(max(0.0, max(due, free) - time.monotonic()))
                writer.write(data)
                await writer.drain()
        finally:
            taking.cancel()
            writer.close()


class Gpu(ScriptedGenerator):
    """Previews of the usual size, of noise: the worst case."""

    def _run(self, request: Any, record: Any, report: Any, *others: Any) -> None:
        def enlarged(event: events.Event) -> None:
            if isinstance(event, events.Preview):
                rgb = random.Random(event.step).randbytes(_SIDE * _SIDE * 3)
                event = event.model_copy(update={"width": _SIDE, "height": _SIDE, "rgb": rgb})
            report(event)

        super()._run(request, record, enlarged, *others)


def main() -> None:
    """Serve until the process is killed."""
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    step, delay, kbit = (float(each) for each in sys.argv[3:6])
    line = Line(port, delay / 1000, kbit)
    settings = Settings(device="cpu")
    with live(
        folder, lambda _: Gpu(step), settings=settings, warm=False, port=port, queue_limit=1000
    ):
        threading.Thread(target=asyncio.run, args=(line.serve(port + 1),), daemon=True).start()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(0.1)
                write_atomic(folder / "bytes", str(line.bytes).encode(), durable=False)


if __name__ == "__main__":
    main()
