"""The mirror of a server's jobs."""

from __future__ import annotations

from typing import cast

from sdtui.jobs.backends.remote.calls import Caller, Hand
from sdtui.jobs.backends.remote.jobs import RemoteJobs
from sdtui.jobs.backends.remote.uploads import Uploads
from sdtui.jobs.wire.messages import Snapshot, State
from sdtui.requests.events import JobEvent, Loaded

_LOADED = Loaded(
    model="a", family="sd1", device="cpu", dtype="float32", memory_mode="full", seconds=0.1
)


def test_server_that_was_restarted_has_no_model_any_more() -> None:
    jobs = RemoteJobs(cast("Caller", None), cast("Hand", None), cast("Uploads", None))
    seen: list[JobEvent] = []
    jobs.subscribe(seen.append)
    for loaded in (_LOADED, _LOADED, None, None):
        jobs.replace(Snapshot(jobs=[], running={}, state=State(values={}), loaded=loaded))
    assert [each.event.kind for each in seen] == ["loaded", "unloaded"]
