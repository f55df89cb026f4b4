"""Carry out a plan: warm-up, timed runs alternating with an opponent, and the report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from PIL import Image, ImageChops, ImageStat

from sdtui.bench.contenders import Contender, ContenderResult, EngineContender, make_opponent
from sdtui.bench.machine import describe_machine
from sdtui.bench.plan import (
    SETTING_FIELDS,
    BenchPlan,
    Cell,
    Cost,
    Size,
    fit_to,
    native_sizes,
)
from sdtui.bench.report import BenchReport, CellResult
from sdtui.core.enums import Runtime
from sdtui.core.errors import GenerationError
from sdtui.core.settings import Settings
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.resolve import resolve
from sdtui.engine.speed.presets import OPENVINO
from sdtui.requests.record import GenerationRecord, Stage
from sdtui.requests.request import REQUEST_FIELDS, GenerationRequest

_WARM_UP_STEPS = 2
"""The first step includes one-time costs; the second shows what a step costs."""

OnAdvance = Callable[[str, int, int], None]
"""Called with a description of the work, the steps done, and all steps (0 of 0 if unknown)."""


class Bench:
    """One benchmark. After an interrupt of `run`, `report` has the finished runs."""

    def __init__(
        self,
        settings: Settings,
        request: GenerationRequest,
        plan: BenchPlan,
        *,
        seconds: float,
        against: str | None = None,
        on_advance: OnAdvance,
    ) -> None:
        """`request` has the values that cells leave open; `seconds` is the time available;
        `against` is one of `OPPONENTS`. Raises SettingsError.
        """
        self._settings = settings
        self._request = request.with_seed()
        self._plan = plan
        self._seconds = seconds
        self._against = against
        self._on_advance = on_advance
        self._engine = EngineContender(settings, self._request)
        self._results: list[_Result] = []
        self._notes: list[str] = []
        self._load_timings: dict[str, float] = {}
        self._warm_up = 0.0
        self._complete = False

    def run(self) -> None:
        """Measure everything.

        Raises what loading and generating raise; but a cell that runs out of memory or gives a
        broken picture has the error in its result.
        """
        started = time.perf_counter()
        contenders: list[Contender] = [self._engine]
        try:
            self._on_advance("loading", 0, 0)
            loaded = self._engine.load()
            self._load_timings = loaded.load_timings
            if self._against:
                contenders.append(
                    make_opponent(self._against, self._settings, self._request, self._engine)
                )
            self._plan = self._warm_up_and_fit(self._for_model(loaded), contenders)
            self._warm_up = time.perf_counter() - started
            self._measure_all(contenders)
            self._complete = True
        finally:
            for contender in contenders:
                contender.close()

    def report(self) -> BenchReport:
        """The report of what was measured so far."""
        records = [result.record for result in self._results if result.record]
        record = records[-1] if records else None
        return BenchReport(
            timestamp=datetime.now().astimezone(),
            machine=describe_machine(self._engine.engine.device),
            versions=record.versions if record else {},
            settings=_used_settings(self._request, record),
            model_hash=record.model.hash if record and record.model else None,
            speedups=record.settings.speedups if record and record.settings else (),
            load_timings=self._load_timings,
            warm_up=self._warm_up,
            runs=self._plan.runs,
            against=self._against,
            cells=tuple(result.to_cell() for result in self._results),
            complete=self._complete,
            notes=tuple(dict.fromkeys([*self._notes, *(record.notices if record else ())])),
        )

    def _for_model(self, loaded: LoadedModel) -> BenchPlan:
        if "sizes" in self._plan.requested:
            return self._plan
        own = resolve(self._request, loaded)
        return replace(self._plan, sizes=native_sizes(own.width, own.height))

    def _warm_up_and_fit(self, plan: BenchPlan, contenders: list[Contender]) -> BenchPlan:
        """Run every size once in each contender and reduce the plan to the time available.

        Sizes that can't fit into the time are dropped before they run. Sizes too large for the
        memory are dropped unless the user requested them or no other is left.
        """
        costs: dict[Size, Cost] = {}
        for size in sorted(plan.sizes, key=_pixels):
            if size not in plan.sizes:
                continue
            try:
                costs[size] = self._cost(plan, size, contenders)
            except GenerationError as error:
                if "sizes" not in plan.requested and len(plan.sizes) > 1:
                    plan = replace(plan, sizes=tuple(each for each in plan.sizes if each != size))
                    self._notes.append(f"without {size[0]}×{size[1]}: {error}")
                    continue
                costs[size] = Cost(0.0, 0.0)  # measuring the cell reports the error
            smallest = min(costs, key=_pixels)
            expected = {
                other: costs[smallest].scaled(_pixels(other) / _pixels(smallest))
                for other in plan.sizes
            }
            plan, notes = fit_to(plan, {**expected, **costs}, self._seconds, len(contenders))
            self._notes += notes
        return plan

    def _cost(self, plan: BenchPlan, size: Size, contenders: list[Contender]) -> Cost:
        """Measure what a run of the engine costs. Raises what a run raises."""
        cell = Cell(plan.prompts[0], _WARM_UP_STEPS, *size, plan.count)
        self._on_advance(f"warming up at {size[0]}×{size[1]}", 0, 0)
        for contender in contenders[1:]:
            contender.generate(cell, _ignore_step)
        result = self._engine.generate(cell, _ignore_step)
        batches = -(-cell.num_images_per_prompt // (result.measurement.batch_size or 1))
        second = result.measurement.seconds - result.measurement.stages.get(Stage.DENOISE, 0.0)
        return Cost(step=result.step_seconds * batches, fixed=max(second, 0.0))

    def _measure_all(self, contenders: list[Contender]) -> None:
        cells = self._plan.cells()
        runs = self._plan.runs * len(contenders)
        total = runs * sum(_steps(cell) for cell in cells)
        done = 0
        for cell in cells:
            result = _Result(cell)
            self._results.append(result)
            try:
                for number in range(runs):
                    turn = number % len(contenders)
                    on_step = self._stepper(cell, f"run {number + 1}/{runs}", done, total)
                    result.runs[turn].append(contenders[turn].generate(cell, on_step))
                    done += _steps(cell)
            except GenerationError as error:
                result.error = str(error)
        self._on_advance(f"measured {len(cells)} of {len(cells)}", total, total)

    def _stepper(self, cell: Cell, run: str, done: int, total: int) -> Callable[[], None]:
        text = f"{cell.width}×{cell.height}, {cell.num_inference_steps} steps, {run}"
        steps = 0
        self._on_advance(text, done, total)

        def on_step() -> None:
            nonlocal steps
            steps = min(steps + 1, _steps(cell))
            self._on_advance(text, done + steps, total)

        return on_step


@dataclass
class _Result:
    """The runs of one cell."""

    cell: Cell
    runs: tuple[list[ContenderResult], list[ContenderResult]] = field(
        default_factory=lambda: ([], [])
    )
    """The runs of the engine, and those of the opponent."""
    error: str | None = None

    @property
    def record(self) -> GenerationRecord | None:
        engine_runs, _ = self.runs
        return engine_runs[-1].record if engine_runs else None

    def to_cell(self) -> CellResult:
        engine_runs, other_runs = self.runs
        record = self.record
        return CellResult(
            prompt=self.cell.prompt,
            num_inference_steps=self.cell.num_inference_steps,
            width=self.cell.width,
            height=self.cell.height,
            count=self.cell.num_images_per_prompt,
            samples=tuple(run.measurement for run in engine_runs),
            against=tuple(run.measurement for run in other_runs),
            difference=picture_difference(engine_runs[0].images, other_runs[0].images)
            if other_runs
            else None,
            estimate=record.memory.estimate if record and record.memory else None,
            error=self.error,
        )


def _used_settings(request: GenerationRequest, record: GenerationRecord | None) -> dict[str, Any]:
    """Return the values that were used, for JSON; before the first run ends, the requested ones."""
    from pydantic_core import to_jsonable_python  # here, since measuring alone does without it

    values = request.values()
    if record is not None:
        speedups = record.settings.speedups if record.settings else ()
        values = {
            **record.values(),
            "dtype": record.dtype,
            "memory_mode": record.memory_mode,
            "runtime": Runtime.OPENVINO if OPENVINO in speedups else Runtime.TORCH,
        }
    unused = REQUEST_FIELDS.orphans(values)
    return {
        name: to_jsonable_python(values[name])
        for name in SETTING_FIELDS
        if name not in unused and values[name] not in (None, "", ())
    }


def picture_difference(first: list[Image.Image], second: list[Image.Image]) -> float:
    """The mean absolute difference of all channel values, from 0 to 255."""
    means = [
        sum(stat.mean) / len(stat.mean)
        for stat in (
            ImageStat.Stat(ImageChops.difference(one, other))
            for one, other in zip(first, second, strict=True)
        )
    ]
    return sum(means) / len(means)


def _steps(cell: Cell) -> int:
    return cell.num_inference_steps * cell.num_images_per_prompt


def _pixels(size: Size) -> int:
    return size[0] * size[1]


def _ignore_step() -> None:
    return None
