"""Which waiting job goes to which free device, if there are several. Pure: no clock, no state.

A device stays with the model in its memory while that has work: loading another takes longer than
many pictures. It changes to one whose work has become much more urgent. In a simulation
(tests/benchmarks/placement.py) jobs wait a thirtieth of the time that they wait if the oldest comes
first, which loads a model for nearly every job.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

_LOADS_SAVED = 12.0
"""A device leaves a model with work for one that is more urgent by this many times its loading:
less lets devices load so often that work piles up, if four or sixteen are busy; more is no better
and lets others wait longer (simulated)."""
_LEAST_PATIENCE, _MOST_PATIENCE = 30.0, 300.0
"""Limits of the seconds for which a device that is the only one keeps its model while jobs for
another wait."""
_SHARED_BY_NONE = 0.5
"""Devices that count as having a model which none has."""
_LEAST_SHARE = 60.0
"""Seconds of a client's work that count at least, however little others have."""


@dataclass(frozen=True)
class Device:
    """A device, as far as it matters here."""

    name: str
    memory: int | None = None
    """Bytes that a model can have; None if unknown."""
    model: str | None = None
    """The model in memory, or that is being loaded."""
    is_free: bool = True
    """True if it can begin a job now."""

    def fits(self, need: int) -> bool:
        """True if a model that needs so many bytes has room."""
        return self.memory is None or need <= self.memory


@dataclass(frozen=True)
class Backlog:
    """The waiting jobs of one client with one model and the same files."""

    model: str
    job: str
    """The first of them."""
    seconds: float
    """Expected to make all, without loading the model."""
    waited: float
    """Seconds since the first was queued."""
    client: str = ""
    since_served: float = math.inf
    """Seconds since a job of the client with this model was begun."""
    need: int = 0
    """Bytes that the model needs; 0 if unknown."""
    is_urgent: bool = False
    """True if someone moved the first job to the front."""
    only_on: Collection[str] | None = None
    """Names of the devices whose machines have the jobs' files; None = all have."""


@dataclass(frozen=True)
class Choice:
    """A job and the device that should begin it now."""

    job: str
    device: str


def choose(
    devices: Sequence[Device],
    backlogs: Sequence[Backlog],
    load_seconds: Callable[[str], float],
) -> Choice | None:
    """Return the job to begin next and its device, or None if no free device should begin one.

    A model goes to a device where it has room, or to the largest if it has room nowhere. Of a
    model's jobs that of the client comes first which was served longest ago.
    """
    places = [_Place(device, _fitting(device, devices, backlogs)) for device in devices]
    free = [place for place in places if place.backlogs]
    urgency = _urgency(devices, backlogs)
    in_idle = [place.device.model for place in free if place.has_own_work]
    best: tuple[tuple[float, ...], Choice] | None = None
    for place in free:
        model, gain = place.best_model(urgency, load_seconds, in_idle)
        device = place.device
        if model is None:
            continue
        room = math.inf if device.memory is None else device.memory
        key = (device.model == model, device.model is None, gain, -room)
        if best is None or key > best[0]:
            best = key, Choice(_first(place.backlogs, model).job, device.name)
    return None if best is None else best[1]


def choose_alone(
    loaded: str | None,
    backlogs: Sequence[Backlog],
    load_seconds: Callable[[str], float],
    since_begun: Callable[[str], float],
) -> str | None:
    """Return the job that a device begins that is the only one; None if there is none.

    It stays with the `loaded` model while jobs wait for that, unless others have waited too long
    since one of theirs was begun: `since_begun` returns these seconds for a model. Of a model's
    jobs that of the client comes first which was served longest ago.
    """
    waits: dict[str, float] = {}
    for each in backlogs:
        wait = math.inf if each.is_urgent else each.waited
        waits[each.model] = max(waits.get(each.model, 0.0), wait)
    late = {
        model: wait
        for model, wait in waits.items()
        if wait == math.inf or min(wait, since_begun(model)) > _patience(load_seconds(model))
    }
    if loaded in waits and not late.keys() - {loaded}:
        return _first(backlogs, loaded).job
    wanted = {model: late[model] for model in late if model != loaded} or waits
    if not wanted:
        return None
    return _first(backlogs, max(wanted, key=wanted.__getitem__)).job


def _patience(load_seconds: float) -> float:
    """Return how many seconds jobs wait for a model before another is unloaded for it."""
    return min(_MOST_PATIENCE, max(_LEAST_PATIENCE, _LOADS_SAVED * load_seconds))


@dataclass(frozen=True)
class _Place:
    """A device and the work that it may take."""

    device: Device
    backlogs: Sequence[Backlog]

    def best_model(
        self,
        urgency: Mapping[str, float],
        load_seconds: Callable[[str], float],
        in_idle: Container[str | None],
    ) -> tuple[str | None, float]:
        """Return the model whose work the device should take, and how urgent that is, less the
        loading; no model if it should wait. `in_idle` are those that idle devices with work for
        them have in memory."""
        own = self.device.model
        best: tuple[str | None, float] = (None, -math.inf)
        for model in dict.fromkeys(each.model for each in self.backlogs):
            gain = urgency[model]
            if own not in (None, model):
                if model in in_idle:
                    continue
                loads = _LOADS_SAVED if self.has_own_work else 1.0
                gain -= loads * load_seconds(model)
            if gain > best[1] or (gain == best[1] and model == own):
                best = model, gain
        return best

    @property
    def has_own_work(self) -> bool:
        """True if jobs wait for the model in memory."""
        return any(each.model == self.device.model for each in self.backlogs)


def _fitting(
    device: Device, devices: Sequence[Device], backlogs: Iterable[Backlog]
) -> Sequence[Backlog]:
    """Return the work that may go to a device."""
    if not device.is_free:
        return ()
    return [
        each
        for each in backlogs
        if each.only_on is None or device.name in each.only_on
        if device.fits(each.need) or _is_largest(device, devices, each)
    ]


def _is_largest(device: Device, devices: Iterable[Device], backlog: Backlog) -> bool:
    """True if a model has room on none of its devices, and this is the largest of them."""
    only_on = backlog.only_on
    others = [each for each in devices if only_on is None or each.name in only_on]
    sizes = [each.memory for each in others]
    known = [size for size in sizes if size is not None]
    is_too_large = len(known) == len(sizes) and backlog.need > max(known, default=0)
    return is_too_large and device.memory == max(known, default=0)


def _urgency(devices: Iterable[Device], backlogs: Sequence[Backlog]) -> dict[str, float]:
    """Return by model how long its waiting work will take on the devices that have it, and how long
    someone has waited for it. Of a client with much more work than others only a share counts."""
    warm: dict[str | None, int] = {}
    for device in devices:
        warm[device.model] = warm.get(device.model, 0) + 1
    work: dict[str, float] = {}
    for each in backlogs:
        work[each.client] = work.get(each.client, 0.0) + each.seconds
    share = max(_LEAST_SHARE, min(work.values(), default=0.0))
    urgency: dict[str, float] = {}
    waits: dict[str, float] = {}
    for each in backlogs:
        counted = each.seconds * min(1.0, share / max(work[each.client], share))
        taken = counted / max(warm.get(each.model, 0), _SHARED_BY_NONE)
        urgency[each.model] = urgency.get(each.model, 0.0) + taken
        wait = math.inf if each.is_urgent else min(each.waited, each.since_served)
        waits[each.model] = max(waits.get(each.model, 0.0), wait)
    return {model: taken + waits[model] for model, taken in urgency.items()}


def _first(backlogs: Iterable[Backlog], model: str) -> Backlog:
    """Return the backlog of a model whose first job comes next."""
    return max(
        (each for each in backlogs if each.model == model),
        key=lambda each: (each.is_urgent, min(each.waited, each.since_served), each.client),
    )
