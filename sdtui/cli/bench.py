"""`sdtui bench`: how fast pictures are made here. stdout has data, stderr progress."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdtui.bench.plan import OPPONENTS, SETTING_FIELDS
from sdtui.cli.codes import INTERRUPTED
from sdtui.cli.options import options_for, request_values
from sdtui.cli.output import echo_json
from sdtui.core.paths import expanded
from sdtui.requests.sizes import parse_size

if TYPE_CHECKING:
    from sdtui.bench.plan import BenchPlan
    from sdtui.bench.report import BenchReport
    from sdtui.core.settings import Settings
    from sdtui.requests.request import GenerationRequest

_ENDINGS = (".json", ".csv")
_WIDE = 160
_TYPED = click.core.ParameterSource.COMMANDLINE


@click.command()
@click.argument("prompts", nargs=-1)
@click.option("--steps", metavar="N,N…", help="Numbers of steps to measure. [20,50,100]")
@click.option(
    "--size", "sizes", metavar="WxH,…", help="Sizes to measure. [512x512,768x768, or the model's]"
)
@click.option("--runs", type=click.IntRange(1, 100), help="Timed runs of each. [3]")
@click.option("--count", type=click.IntRange(1, 64), default=1, help="Pictures a run. [1]")
@click.option(
    "--minutes",
    type=click.FloatRange(0.1, 10_000),
    default=10,
    help="The time to fit into; what isn't given by a flag is sized down. [10]",
)
@click.option(
    "--against",
    type=click.Choice(OPPONENTS),
    help="Measure in turn with: plain diffusers with the same settings; plain diffusers loaded as "
    "it does by default; no speed preset; each of --count pictures alone.",
)
@click.option(
    "--compare",
    "compared",
    type=(Path, Path),
    metavar="A.json B.json",
    help="Compare two benchmarks that were written before, instead of measuring.",
)
@options_for(*SETTING_FIELDS)
@click.option(
    "--out",
    "-o",
    "files",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Also write the figures to a file ending in .json or .csv. May be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, a row a run.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr, only errors.")
def bench(
    prompts: tuple[str, ...],
    steps: str | None,
    sizes: str | None,
    runs: int | None,
    count: int,
    minutes: float,
    against: str | None,
    compared: tuple[Path, Path] | None,
    files: tuple[Path, ...],
    as_json: bool,
    as_csv: bool,
    quiet: bool,
    **flags: Any,
) -> int:
    """Measure how fast pictures are made: PROMPTS × steps × sizes, warm-up left out."""
    from sdtui.cli.backend import open_models
    from sdtui.cli.logs import log_to_file
    from sdtui.core.settings import load_settings
    from sdtui.requests.request import GenerationRequest

    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    if compared is not None:
        _refuse_others_than("compared", "as_json", "quiet")
        return _compare(*compared, as_json=as_json)
    if against == "one-by-one" and count == 1:
        raise click.UsageError("--against one-by-one needs a --count of more than 1")
    for file in files:
        if file.suffix not in _ENDINGS or not expanded(file).parent.is_dir():
            raise click.UsageError(
                f"--out {file}: give a .json or .csv file in a folder that is there"
            )
    log_to_file()
    settings = replace(load_settings(), connect="here")  # the engine of this machine
    plan = _plan(prompts, steps, sizes, runs, count)
    request = GenerationRequest.parse(
        {
            "prompt": plan.prompts[0],
            "seed": 0,
            **settings.request_defaults(),
            **request_values(flags),
        }
    )
    for cell in plan.cells():
        request.changed(**asdict(cell))
    open_models(settings).find(request.model)  # a wrong name is reported before torch is loaded
    report, code = _measure(settings, request, plan, minutes * 60, against, quiet)
    for file in files:
        _write(expanded(file), report)
    _print(report, as_json=as_json, as_csv=as_csv)
    return code


def _refuse_others_than(*names: str) -> None:
    context = click.get_current_context()
    given = (name for name in context.params if context.get_parameter_source(name) == _TYPED)
    if set(given) - set(names):
        raise click.UsageError("--compare reads two files, and takes no other option but --json")


def _plan(
    prompts: tuple[str, ...], steps: str | None, sizes: str | None, runs: int | None, count: int
) -> BenchPlan:
    from sdtui.bench.plan import BenchPlan

    given: dict[str, Any] = {"prompts": prompts, "runs": runs}
    if steps is not None:
        try:
            given["steps"] = tuple(int(part) for part in steps.split(","))
        except ValueError as error:
            problem = f'"{steps}" is no list such as 20,50'
            raise click.BadParameter(problem, param_hint="--steps") from error
    if sizes is not None:
        given["sizes"] = tuple(parse_size(part) for part in sizes.split(","))
    given = {
        name: tuple(dict.fromkeys(value)) if isinstance(value, tuple) else value
        for name, value in given.items()
        if value
    }
    return BenchPlan(**given, count=count, requested=frozenset(given))


def _measure(
    settings: Settings,
    request: GenerationRequest,
    plan: BenchPlan,
    seconds: float,
    against: str | None,
    quiet: bool,
) -> tuple[BenchReport, int]:
    """Return the report, partial after an interrupt, and the exit code."""
    from sdtui.bench.measure import Bench
    from sdtui.cli.progress_output import ProgressOutput

    # Previews cost a different amount on each machine and terminal.
    settings = replace(settings, previews=False)
    interrupted = False
    with ProgressOutput(quiet=quiet, bar=sys.stderr.isatty()) as output:
        measuring = Bench(
            settings, request, plan, seconds=seconds, against=against, on_advance=output.advance
        )
        try:
            measuring.run()
        except KeyboardInterrupt:
            interrupted = True
    report = measuring.report()
    if interrupted:
        click.echo("sdtui: interrupted.", err=True)
        return report, INTERRUPTED
    return report, 1 if any(cell.error for cell in report.cells) else 0


def _compare(first: Path, second: Path, *, as_json: bool) -> int:
    from sdtui.bench.compare import compare
    from sdtui.bench.report import read_report
    from sdtui.cli.bench_tables import comparison_lines

    comparison = compare(read_report(first), read_report(second))
    if as_json:
        echo_json(comparison.model_dump_json(indent=2))
    else:
        click.echo("\n".join(comparison_lines(comparison, _width())))
    return 0


def _write(file: Path, report: BenchReport) -> None:
    from sdtui.bench.report import to_csv
    from sdtui.core.files import write_atomic

    text = to_csv(report) if file.suffix == ".csv" else report.model_dump_json(indent=2)
    write_atomic(file, text.encode())


def _print(report: BenchReport, *, as_json: bool, as_csv: bool) -> None:
    from sdtui.bench.report import to_csv
    from sdtui.cli.bench_tables import report_lines

    if as_json:
        click.echo(json.dumps(report.model_dump(mode="json"), indent=2))
    elif as_csv:
        click.echo(to_csv(report), nl=False)
    else:
        click.echo("\n".join(report_lines(report, _width())))


def _width() -> int:
    """Return the columns for tables: those of the terminal, or enough for all of them in a file or
    pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDE
