"""Carrying out a plan: warm-up, timed runs in turn with an opponent, and the report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from PIL import Image, ImageChops, ImageStat

from sdtui.bench.contenders import Contender, ContenderResult, EngineContender, make_opponent
from sdtui.bench.machine import machine_of
from sdtui.bench.plan import Cell, Cost, Plan, Size, fit_to, native_sizes
from sdtui.bench.report import BenchReport, CellResult
from sdtui.core.errors import GenerationError
from sdtui.core.settings import Settings
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.resolve import resolve
from sdtui.requests.record import GenerationRecord, Stage
from sdtui.requests.request import GenerationRequest

_WARM_UP_STEPS = 2
"""The first step pays for what is made once; the second tells what a step costs."""

Tell = Callable[[str, int, int], None]
"""Called with what is being done, and how much of how much is done (0 of 0: not known yet)."""


class Bench:
    """One benchmark. `run` may be interrupted; `report` then tells what was finished before."""

    def __init__(
        self,
        settings: Settings,
        request: GenerationRequest,
        plan: Plan,
        *,
        seconds: float,
        against: str | None = None,
        tell: Tell,
    ) -> None:
        """`request` holds what cells leave open; `seconds` is the time to fit into; `against` is
        one of `OPPONENTS`. Raises SettingsError."""
        self._settings = settings
        self._request = request.with_seed()
        self._plan = plan
        self._seconds = seconds
        self._against = against
        self._tell = tell
        self._engine = EngineContender(settings, self._request)
        self._results: list[_Result] = []
        self._notes: list[str] = []
        self._load_timings: dict[str, float] = {}
        self._warm_up = 0.0
        self._complete = False

    def run(self) -> None:
        """Measure everything. Raises what loading and making pictures raise, except that a cell
        which runs out of memory or gives a broken picture tells so in its result."""
        started = time.perf_counter()
        contenders: list[Contender] = [self._engine]
        try:
            self._tell("loading", 0, 0)
            loaded = self._engine.load()
            self._load_timings = loaded.load_timings
            if self._against:
                contenders.append(
                    make_opponent(self._against, self._settings, self._request, self._engine)
                )
            self._plan = self._warmed_up(self._for_model(loaded), contenders)
            self._warm_up = time.perf_counter() - started
            self._measure_all(contenders)
            self._complete = True
        finally:
            for contender in contenders:
                contender.close()

    def report(self) -> BenchReport:
        """What is known so far."""
        records = [result.record for result in self._results if result.record]
        record = records[-1] if records else None
        settled = record.settings if record else None
        return BenchReport(
            timestamp=datetime.now().astimezone(),
            machine=machine_of(self._engine.engine.device),
            versions=record.versions if record else {},
            model=self._request.model,
            model_hash=record.model.hash if record and record.model else None,
            sampler=settled.sampler if settled else "",
            guidance_scale=settled.guidance_scale if settled else None,
            seed=self._request.seed,
            dtype=(record.dtype or "") if record else "",
            memory_mode=(record.memory_mode or "") if record else "",
            speed=self._request.execution.speed,
            speedups=settled.speedups if settled else (),
            load_timings=self._load_timings,
            warm_up=self._warm_up,
            runs=self._plan.runs,
            against=self._against,
            cells=tuple(result.told() for result in self._results),
            complete=self._complete,
            notes=tuple(dict.fromkeys([*self._notes, *(record.notices if record else ())])),
        )

    def _for_model(self, loaded: LoadedModel) -> Plan:
        if "sizes" in self._plan.kept:
            return self._plan
        own = resolve(loaded, self._request).settings
        return replace(self._plan, sizes=native_sizes(own.width, own.height))

    def _warmed_up(self, plan: Plan, contenders: list[Contender]) -> Plan:
        """Run every size once in each contender, and size the plan down by what that took. Sizes
        that can't fit into the time are left out before they are run, and those that can't be
        made at all (too large for the memory) unless they were asked for or are the last."""
        costs: dict[Size, Cost] = {}
        for size in sorted(plan.sizes, key=_pixels):
            if size not in plan.sizes:
                continue
            try:
                costs[size] = self._cost(plan, size, contenders)
            except GenerationError as error:
                if "sizes" not in plan.kept and len(plan.sizes) > 1:
                    plan = replace(plan, sizes=tuple(each for each in plan.sizes if each != size))
                    self._notes.append(f"without {size[0]}×{size[1]}: {error}")
                    continue
                costs[size] = Cost(0.0, 0.0)  # why is told when the cell itself is measured
            smallest = min(costs, key=_pixels)
            expected = {
                other: costs[smallest].scaled(_pixels(other) / _pixels(smallest))
                for other in plan.sizes
            }
            plan, notes = fit_to(plan, {**expected, **costs}, self._seconds, len(contenders))
            self._notes += notes
        return plan

    def _cost(self, plan: Plan, size: Size, contenders: list[Contender]) -> Cost:
        """Of the engine. Raises what a run raises."""
        cell = Cell(plan.prompts[0], _WARM_UP_STEPS, *size, count=plan.count)
        self._tell(f"warming up at {size[0]}×{size[1]}", 0, 0)
        for contender in contenders[1:]:
            contender.make(cell, _nothing)
        made = self._engine.make(cell, _nothing)
        batches = -(-cell.count // (made.sample.batch_size or 1))
        others = made.sample.seconds - made.sample.stages.get(Stage.DENOISE, 0.0)
        return Cost(step=made.step_seconds * batches, fixed=max(others, 0.0))

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
                    which = number % len(contenders)
                    on_step = self._stepper(cell, f"run {number + 1}/{runs}", done, total)
                    result.made[which].append(contenders[which].make(cell, on_step))
                    done += _steps(cell)
            except GenerationError as error:
                result.error = str(error)
        self._tell(f"measured {len(cells)} of {len(cells)}", total, total)

    def _stepper(self, cell: Cell, run: str, done: int, total: int) -> Callable[[], None]:
        text = f"{cell.width}×{cell.height}, {cell.num_inference_steps} steps, {run}"
        steps = 0
        self._tell(text, done, total)

        def on_step() -> None:
            nonlocal steps
            steps = min(steps + 1, _steps(cell))
            self._tell(text, done + steps, total)

        return on_step


@dataclass
class _Result:
    """What was made of one cell."""

    cell: Cell
    made: tuple[list[ContenderResult], list[ContenderResult]] = field(
        default_factory=lambda: ([], [])
    )
    """The engine's runs, and the opponent's."""
    error: str | None = None

    @property
    def record(self) -> GenerationRecord | None:
        native, _ = self.made
        return native[-1].record if native else None

    def told(self) -> CellResult:
        native, theirs = self.made
        record = self.record
        return CellResult(
            prompt=self.cell.prompt,
            num_inference_steps=self.cell.num_inference_steps,
            width=self.cell.width,
            height=self.cell.height,
            count=self.cell.count,
            samples=tuple(made.sample for made in native),
            against=tuple(made.sample for made in theirs),
            difference=picture_difference(native[0].images, theirs[0].images) if theirs else None,
            estimate=record.memory.estimate if record and record.memory else None,
            error=self.error,
        )


def picture_difference(native: list[Image.Image], theirs: list[Image.Image]) -> float:
    """The mean difference of all values of all pictures, in levels of 0 to 255."""
    means = [
        sum(stat.mean) / len(stat.mean)
        for stat in (
            ImageStat.Stat(ImageChops.difference(one, other))
            for one, other in zip(native, theirs, strict=True)
        )
    ]
    return sum(means) / len(means)


def _steps(cell: Cell) -> int:
    return cell.num_inference_steps * cell.count


def _pixels(size: Size) -> int:
    return size[0] * size[1]


def _nothing() -> None:
    return None
