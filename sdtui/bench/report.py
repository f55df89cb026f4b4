"""What a benchmark found: plain data, written as JSON or CSV and read again for comparing."""

from __future__ import annotations

import csv
import io
import statistics
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from sdtui.core.errors import BenchError

SCHEMA_VERSION = 1
"""Raised when a change makes older readers wrong."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Measurement(_Data):
    """One timed run, from prompt to finished pictures; the model was loaded before."""

    seconds: float
    cpu_seconds: float = 0.0
    """Computed by this process; other programs disturb it less. 0 where it isn't known."""
    stages: dict[str, float] = {}
    """Seconds by stage; empty where they can't be told apart (plain diffusers)."""
    it_per_second: float | None = None
    """Denoising steps a second."""
    peak: int | None = None
    """Bytes: of the GPU's allocator, or resident memory on a CPU."""
    batch_size: int | None = None
    """Pictures that were made at once."""


class CellResult(_Data):
    """What one cell of the grid gave."""

    prompt: str
    num_inference_steps: int
    width: int
    height: int
    count: int = 1
    samples: tuple[Measurement, ...] = ()
    against: tuple[Measurement, ...] = ()
    """The other contender's run beside each sample."""
    difference: float | None = None
    """Mean difference between both contenders' pictures, in levels of 0 to 255."""
    estimate: int | None = None
    """Bytes: the peak that was expected."""
    error: str | None = None

    @property
    def key(self) -> tuple[str, int, int, int, int]:
        """What makes it the same cell in another report."""
        return self.prompt, self.num_inference_steps, self.width, self.height, self.count

    @property
    def mean(self) -> float:
        """Seconds; there must be samples."""
        return statistics.fmean(sample.seconds for sample in self.samples)

    @property
    def fastest(self) -> float:
        """Seconds."""
        return min(sample.seconds for sample in self.samples)

    @property
    def slowest(self) -> float:
        """Seconds."""
        return max(sample.seconds for sample in self.samples)

    @property
    def ratios(self) -> tuple[float, ...]:
        """Seconds over the other contender's, pair by pair."""
        return tuple(native.seconds / theirs.seconds for native, theirs in self._pairs)

    @property
    def cpu_ratios(self) -> tuple[float, ...]:
        """The same of the seconds that were computed, as far as they are known."""
        return tuple(
            native.cpu_seconds / theirs.cpu_seconds
            for native, theirs in self._pairs
            if theirs.cpu_seconds
        )

    @property
    def _pairs(self) -> tuple[tuple[Measurement, Measurement], ...]:
        return tuple(zip(self.samples, self.against, strict=False))


class Machine(_Data):
    """Where it was measured."""

    device: str
    """"cpu", "cuda:0", "mps"."""
    name: str
    """Of the GPU or CPU."""
    cores: int
    """Physical ones."""
    threads: int
    """That torch computes with on the CPU."""
    memory: int
    """Bytes: of the GPU, or of the machine."""
    system: str


class BenchReport(_Data):
    """A whole benchmark."""

    schema_version: int = SCHEMA_VERSION
    timestamp: AwareDatetime
    machine: Machine
    versions: dict[str, str]
    model: str
    model_hash: str | None = None
    sampler: str = ""
    guidance_scale: float | None = None
    seed: int | None = None
    """Of the first picture of every run."""
    dtype: str = ""
    memory_mode: str = ""
    speed: str = "quality"
    speedups: tuple[str, ...] = ()
    """What the speed preset turned on for this model."""
    load_timings: dict[str, float] = {}
    """Seconds by component."""
    warm_up: float = 0.0
    """Seconds of the runs that were not counted, loading and compiling included."""
    runs: int
    against: str | None = None
    cells: tuple[CellResult, ...] = ()
    complete: bool = True
    notes: tuple[str, ...] = ()
    """What else a reader should know: what was left out, what the model couldn't do."""

    @property
    def measured(self) -> tuple[CellResult, ...]:
        """The cells that have figures."""
        return tuple(cell for cell in self.cells if cell.samples)


def read_report(path: Path) -> BenchReport:
    """A report that was written as JSON. Raises BenchError."""
    try:
        return BenchReport.model_validate_json(path.read_bytes())
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        problem = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}".strip(": ")
        raise _unreadable(path, problem) from error


def _unreadable(path: Path, problem: str) -> BenchError:
    return BenchError(
        f"{path} is no benchmark that can be read: {problem}",
        'Give a file that "sdtui bench --out FILE.json" wrote',
    )


_STAGES = ("encode", "denoise", "decode")
_CELL = ("prompt", "num_inference_steps", "width", "height", "count")
_RUN = (
    "contender",
    "run",
    "seconds",
    "cpu_seconds",
    *_STAGES,
    "it_per_second",
    "batch_size",
    "peak",
)
_OUTCOME = ("estimate", "difference", "error")
_SETTINGS = ("model", "model_hash", "sampler", "guidance_scale", "seed", "dtype", "memory_mode")
_WHOLE = ("timestamp", *_SETTINGS, "speed", "speedups")


def to_csv(report: BenchReport) -> str:
    """A row for every timed run, with a head line; a cell that failed has one row. Each row tells
    settings, machine and versions as well, so that rows of several reports can be put together."""
    whole = report.model_dump(mode="json", include=set(_WHOLE))
    whole["speedups"] = "; ".join(report.speedups)
    machine = {f"machine_{name}": value for name, value in report.machine.model_dump().items()}
    versions = {f"{name}_version": value for name, value in report.versions.items()}
    text = io.StringIO()
    columns = [*_CELL, *_RUN, *_OUTCOME, *_WHOLE, *machine, *versions]
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    for cell in report.cells:
        common = cell.model_dump(include={*_CELL, *_OUTCOME}) | whole | machine | versions
        for contender, samples in (("sdtui", cell.samples), (report.against, cell.against)):
            for run, sample in enumerate(samples, start=1):
                figures = sample.model_dump(exclude={"stages"})
                stages = {name: sample.stages.get(name) for name in _STAGES}
                table.writerow({**common, **figures, **stages, "contender": contender, "run": run})
        if not cell.samples:
            table.writerow(common)
    return text.getvalue()
