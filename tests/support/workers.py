"""Workers for dispatchers and queues."""

from __future__ import annotations

from typing import Any

from sdtui.core.settings import Settings
from sdtui.jobs.dispatcher import Dispatcher
from sdtui.jobs.workers.local import LocalWorker
from sdtui.jobs.workers.worker import WorkerSlot
from tests.support.scripted_generator import ScriptedGenerator


def slot_of(name: str, generator: ScriptedGenerator | None = None, **values: Any) -> WorkerSlot:
    """Return a worker with a scripted generator."""
    made = generator or ScriptedGenerator()
    return WorkerSlot(name, LocalWorker(Settings(device="cpu"), lambda _: made), **values)


def dispatcher_of(*slots: WorkerSlot, **values: Any) -> Dispatcher:
    """Return a dispatcher whose workers are idle."""
    dispatcher = Dispatcher(**values)
    for each in slots:
        dispatcher.add(each)
        dispatcher.idle(each.name, is_idle=True)
    return dispatcher
