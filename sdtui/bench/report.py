"""The results of a benchmark as plain data, written as JSON or CSV and read for comparing."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError, model_validator

from sdtui.bench.plan import SETTING_FIELDS
from sdtui.core.errors import BenchError
from sdtui.core.text_files import UnreadableTextError, decode_text
from sdtui.requests.record import Stage

SCHEMA_VERSION = 2
"""Incremented when older readers would misunderstand a report. Version 1 had the settings among the
other attributes; such reports are read too."""

MEASURED_STAGES: tuple[str, ...] = tuple(stage for stage in Stage if stage is not Stage.LOAD)
"""The stages of every run; the model is loaded before the first."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Measurement(_Data):
    """A timed run from prompt to finished pictures, without loading the model."""

    seconds: float
    cpu_seconds: float = 0.0
    """CPU time of this process, less affected by other programs. 0 if unknown."""
    stages: dict[str, float] = {}
    """Seconds by stage; empty if unknown (plain diffusers)."""
    it_per_second: float | None = None
    """Denoising steps per second."""
    peak: int | None = None
    """Peak bytes of the GPU allocator, or of resident memory on a CPU."""
    batch_size: int | None = None
    """Pictures generated at once."""


class CellKey(_Data):
    """Identifies a cell of the grid, so that it is found in another report."""

    prompt: str
    num_inference_steps: int
    width: int
    height: int
    count: int = 1
    """Pictures in a run."""

    @property
    def key(self) -> CellKey:
        """The key alone."""
        return CellKey(**{name: getattr(self, name) for name in CellKey.model_fields})


class CellResult(CellKey):
    """The results of one cell."""

    samples: tuple[Measurement, ...] = ()
    against: tuple[Measurement, ...] = ()
    """The opponent's runs, one for each sample."""
    difference: float | None = None
    """Mean difference between the pictures of both contenders, from 0 to 255."""
    estimate: int | None = None
    """Estimated peak in bytes."""
    error: str | None = None

    @property
    def mean(self) -> float:
        """Mean seconds; needs samples."""
        return statistics.fmean(sample.seconds for sample in self.samples)

    @property
    def fastest(self) -> float:
        """Seconds of the fastest run."""
        return min(sample.seconds for sample in self.samples)

    @property
    def slowest(self) -> float:
        """Seconds of the slowest run."""
        return max(sample.seconds for sample in self.samples)

    @property
    def ratios(self) -> tuple[float, ...]:
        """Seconds divided by those of the opponent, pair by pair."""
        return tuple(own.seconds / other.seconds for own, other in self._pairs)

    @property
    def cpu_ratios(self) -> tuple[float, ...]:
        """CPU seconds divided by those of the opponent, where known."""
        return tuple(
            own.cpu_seconds / other.cpu_seconds for own, other in self._pairs if other.cpu_seconds
        )

    @property
    def _pairs(self) -> tuple[tuple[Measurement, Measurement], ...]:
        return tuple(zip(self.samples, self.against, strict=False))


class Machine(_Data):
    """The machine of a benchmark."""

    device: str
    """"cpu", "cuda:0", "mps"."""
    name: str
    """Name of the GPU or CPU."""
    cores: int
    """Physical cores."""
    threads: int
    """CPU threads of torch."""
    memory: int
    """Bytes of the GPU or of the machine."""
    system: str


class BenchReport(_Data):
    """The results of a benchmark."""

    schema_version: int = SCHEMA_VERSION
    timestamp: AwareDatetime
    machine: Machine
    versions: dict[str, str]
    settings: dict[str, Any]
    """The values that were used in all runs, by the unique names of the request's fields. What is
    not here was not used."""
    model_hash: str | None = None
    speedups: tuple[str, ...] = ()
    """What the speed preset enabled for this model."""
    load_timings: dict[str, float] = {}
    """Seconds of loading by component."""
    warm_up: float = 0.0
    """Seconds of the uncounted runs, including loading and compiling."""
    runs: int
    against: str | None = None
    cells: tuple[CellResult, ...] = ()
    complete: bool = True
    notes: tuple[str, ...] = ()
    """Remarks: what was left out, what the model doesn't support."""

    @model_validator(mode="before")
    @classmethod
    def _read_version_1(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or values.get("schema_version") != 1:
            return values
        settings = {
            name: values[name] for name in SETTING_FIELDS if values.get(name) not in (None, "")
        }
        return {**values, "schema_version": SCHEMA_VERSION, "settings": settings}

    @property
    def measured(self) -> tuple[CellResult, ...]:
        """The cells that have samples."""
        return tuple(cell for cell in self.cells if cell.samples)


def read_report(path: Path) -> BenchReport:
    """Read a report from JSON. Raises BenchError."""
    try:
        return BenchReport.model_validate_json(decode_text(path.read_bytes()))
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    except UnreadableTextError as error:
        raise _unreadable(path, str(error)) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        problem = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}".strip(": ")
        raise _unreadable(path, problem) from error


def _unreadable(path: Path, problem: str) -> BenchError:
    return BenchError(
        f"{path} is not a readable benchmark: {problem}",
        'Give a file that "sdtui bench --out FILE.json" wrote',
    )


_CELL = tuple(CellKey.model_fields)
_RUN = (
    "contender",
    "run",
    "seconds",
    "cpu_seconds",
    *MEASURED_STAGES,
    "it_per_second",
    "batch_size",
    "peak",
)
_OUTCOME = ("estimate", "difference", "error")


def to_csv(report: BenchReport) -> str:
    """A table with a header, a row for every timed run and one for a failed cell.

    Each row has settings, machine and versions, so that rows of several reports can be combined.
    """
    settings = {
        "timestamp": report.model_dump(mode="json")["timestamp"],
        **{name: report.settings.get(name) for name in SETTING_FIELDS},
        "model_hash": report.model_hash,
        "speedups": "; ".join(report.speedups),
    }
    machine = {f"machine_{name}": value for name, value in report.machine.model_dump().items()}
    versions = {f"{name}_version": value for name, value in report.versions.items()}
    text = io.StringIO()
    columns = [*_CELL, *_RUN, *_OUTCOME, *settings, *machine, *versions]
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    for cell in report.cells:
        common = cell.model_dump(include={*_CELL, *_OUTCOME}) | settings | machine | versions
        for contender, samples in (("sdtui", cell.samples), (report.against, cell.against)):
            for run, sample in enumerate(samples, start=1):
                values = sample.model_dump(exclude={"stages"})
                stages = {name: sample.stages.get(name) for name in MEASURED_STAGES}
                table.writerow({**common, **values, **stages, "contender": contender, "run": run})
        if not cell.samples:
            table.writerow(common)
    return text.getvalue()
