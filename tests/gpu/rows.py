"""The rows of the result: what was measured, the bar, and how they are printed and stored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from sdtui.core.files import write_atomic


class Status(StrEnum):
    """The outcome of a row."""

    PASSED = "passed"
    FAILED = "FAILED"
    MEASURED = "measured"
    NOT_HERE = "not here"
    """The machine lacks what the row measures."""
    NOT_REACHED = "not reached"
    """The run was stopped before, or its time was over."""


@dataclass(frozen=True)
class Reading:
    """A measured value and the limits that it has to keep, if any."""

    value: float | None
    unit: str = ""
    least: float | None = None
    most: float | None = None
    detail: str = ""

    @property
    def status(self) -> Status:
        """Return MEASURED without limits; a value that is missing fails."""
        if self.least is None and self.most is None:
            return Status.MEASURED
        if self.value is None:
            return Status.FAILED
        above = self.least is None or self.value >= self.least
        below = self.most is None or self.value <= self.most
        return Status.PASSED if above and below else Status.FAILED

    @property
    def bar(self) -> str:
        """Return the limits as text."""
        limits = [f">= {self.least:g}"] if self.least is not None else []
        limits += [f"<= {self.most:g}"] if self.most is not None else []
        return ", ".join(limits)


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    group: str
    name: str
    status: Status
    value: float | None = None
    unit: str = ""
    bar: str = ""
    detail: str = ""
    seconds: float = 0.0
    """Time that the row took."""

    @classmethod
    def of(cls, group: str, name: str, reading: Reading, seconds: float) -> Row:
        """Return the row of a reading."""
        return cls(
            group,
            name,
            reading.status,
            reading.value,
            reading.unit,
            reading.bar,
            reading.detail,
            seconds,
        )

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Row:
        """Return a row from its JSON object."""
        return cls(**{**values, "status": Status(values["status"])})


@dataclass
class Report:
    """All rows of a run, in order; written whole to a JSON file after every change."""

    path: Path
    machine: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Add a row and write the file."""
        self.rows.append(row)
        self.write()

    def write(self) -> None:
        """Replace the file; a process that is killed meanwhile leaves the earlier one."""
        values = {"machine": self.machine, "rows": [asdict(row) for row in self.rows]}
        write_atomic(self.path, json.dumps(values, indent=1).encode())

    @classmethod
    def read(cls, path: Path) -> Report:
        """Read a report that `write` wrote."""
        values = json.loads(path.read_text(encoding="utf-8"))
        return cls(path, values["machine"], [Row.parse(row) for row in values["rows"]])

    @property
    def failed(self) -> bool:
        """True if a row failed."""
        return any(row.status is Status.FAILED for row in self.rows)


def table(report: Report, before: Report | None = None) -> str:
    """Return the rows as Markdown; with `before`, an older report, also its values and the ratio of
    the new to the old one."""
    heads = ["check", "value", *(["before", "ratio"] if before else []), "bar", "result", "detail"]
    old = {(row.group, row.name): row.value for row in before.rows} if before else {}
    lines = [
        f"{' · '.join(report.machine.values())}",
        "",
        _line(heads),
        _line(["---"] * len(heads)),
    ]
    for row in report.rows:
        compared: list[str] = []
        if before:
            earlier = old.get((row.group, row.name))
            compared = [_number(earlier), _ratio(row.value, earlier)]
        value = f"{_number(row.value)} {row.unit}".strip()
        cells = [f"{row.group}: {row.name}", value, *compared, row.bar, row.status, row.detail]
        lines.append(_line(cells))
    lines += ["", _summary(report.rows)]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _ratio(value: float | None, earlier: float | None) -> str:
    return f"{value / earlier:.3f}" if value is not None and earlier else ""


def _summary(rows: Iterable[Row]) -> str:
    statuses = [row.status for row in rows]
    counts = [f"{statuses.count(status)} {status}" for status in Status if status in statuses]
    return ", ".join(counts)
