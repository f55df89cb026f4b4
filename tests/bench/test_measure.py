"""Benchmarks in which something goes wrong, with contenders that only say what they would do."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from PIL import Image

from sdtui.bench import measure
from sdtui.bench.contenders import ContenderResult, EngineContender, OnStepDone
from sdtui.bench.measure import Bench
from sdtui.bench.plan import PROMPTS, SETTING_FIELDS, STEPS, BenchPlan, Cell
from sdtui.bench.report import BenchReport, CellResult, Measurement
from sdtui.core.enums import DType
from sdtui.core.errors import BenchError, OutOfMemoryError
from sdtui.core.settings import Settings
from sdtui.engine import pipeline_manager
from sdtui.engine.openvino import choice
from sdtui.engine.stages.load import load_pipeline
from sdtui.requests.record import Stage
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.image_to_image import DEFAULT_STRENGTH

_SMALL, _LARGE = (64, 64), (128, 128)
_ONE_RUN = BenchPlan(("a cat",), (2,), (_SMALL,), runs=1, requested=frozenset({"sizes"}))


class _Contender(EngineContender):
    """Knows a model, but takes no time; `too_large` runs out of memory."""

    too_large: tuple[int, int] | None = None
    interrupted_after: int | None = None
    runs = 0

    def generate(self, cell: Cell, on_step: OnStepDone) -> ContenderResult:
        self.runs += 1
        if (cell.width, cell.height) == self.too_large:
            raise OutOfMemoryError("memory ran out in the denoise stage", stage=Stage.DENOISE)
        if self.runs == self.interrupted_after:
            raise KeyboardInterrupt
        on_step()
        sample = Measurement(
            seconds=1.0, stages={"denoise": 0.5}, batch_size=cell.num_images_per_prompt
        )
        return ContenderResult(sample, [Image.new("RGB", (8, 8))], step_seconds=0.1)


def _bench(
    monkeypatch: pytest.MonkeyPatch,
    model: Path,
    plan: BenchPlan,
    *,
    seconds: float = 600,
    **traits: Any,
) -> Bench:
    monkeypatch.setattr(measure, "EngineContender", type("_Trait", (_Contender,), traits))
    request = GenerationRequest(prompt="-", model=str(model))
    return Bench(Settings(device="cpu"), request, plan, seconds=seconds, on_advance=lambda *_: None)


def _sizes(report: BenchReport) -> list[tuple[int, int]]:
    return [(cell.width, cell.height) for cell in report.cells]


def test_size_that_does_not_fit_in_memory_is_skipped(
    monkeypatch: pytest.MonkeyPatch, tiny_sd1: Path
) -> None:
    # Sizes that are the model's own: 128 and 192 pixels.
    bench = _bench(monkeypatch, tiny_sd1, BenchPlan(("a",), (2,), runs=1), too_large=(192, 192))
    bench.run()
    report = bench.report()
    assert _sizes(report) == [_LARGE]
    assert all(cell.samples for cell in report.cells)
    assert any("without 192×192: memory ran out" in note for note in report.notes)


def test_requested_size_that_does_not_fit_is_reported_as_failed(
    monkeypatch: pytest.MonkeyPatch, tiny_sd1: Path
) -> None:
    plan = BenchPlan(("a",), (2,), (_SMALL, _LARGE), runs=1, requested=frozenset({"sizes"}))
    bench = _bench(monkeypatch, tiny_sd1, plan, too_large=_LARGE)
    bench.run()
    small, large = bench.report().cells
    assert small.error is None
    assert small.samples
    assert large.error == "memory ran out in the denoise stage."
    assert not large.samples


def test_warm_up_is_not_counted_and_interrupt_keeps_finished_runs(
    monkeypatch: pytest.MonkeyPatch, tiny_sd1: Path
) -> None:
    plan = BenchPlan(("a", "b"), (2,), (_SMALL,), runs=2, requested=frozenset({"sizes"}))
    # One run for warming up, two of the first cell, one of the second.
    bench = _bench(monkeypatch, tiny_sd1, plan, interrupted_after=5)
    with pytest.raises(KeyboardInterrupt):
        bench.run()
    report = bench.report()
    assert [len(cell.samples) for cell in report.cells] == [2, 1]
    assert not report.complete


def test_diffusers_defaults_are_compared_in_float32(tiny_sd1: Path, tmp_path: Path) -> None:
    halves: Any = DiffusionPipeline.from_pretrained(tiny_sd1, dtype=torch.float16)
    halves.save_pretrained(tmp_path)
    plan = BenchPlan(("a cat",), (1,), (_SMALL,), runs=1, requested=frozenset({"sizes"}))
    only = _measured(str(tmp_path), plan, "diffusers-defaults", dtype=DType.BFLOAT16)
    assert only.difference is not None
    assert 0 < only.difference < 10  # bfloat16 against float32


def test_batch_is_compared_with_single_pictures(tiny_sd1: Path) -> None:
    plan = BenchPlan(("a cat",), (2,), (_SMALL,), runs=2, count=3, requested=frozenset({"sizes"}))
    only = _measured(str(tiny_sd1), plan, "one-by-one")
    assert {sample.batch_size for sample in only.samples} == {3}
    assert {sample.batch_size for sample in only.against} == {1}
    assert only.difference is not None
    assert only.difference < 1


def test_size_that_goes_through_hires_by_itself_is_not_compared_with_plain_diffusers(
    tiny_sd1: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_sd1, tmp_path / "model"))
    (folder / "sdtui.json").write_text('{"width": 64, "height": 64, "hires_above": 96}')
    plan = replace(_ONE_RUN, sizes=(_LARGE,))
    with pytest.raises(BenchError, match="not measured with hires, through which 128×128"):
        _report(str(folder), plan, "diffusers")


def test_grid_is_reduced_to_fit_the_time(monkeypatch: pytest.MonkeyPatch, tiny_sd1: Path) -> None:
    plan = BenchPlan(sizes=(_SMALL,), requested=frozenset({"sizes"}))
    # The classic steps and prompts, three runs each, would take 166 s by what the warm-up tells.
    bench = _bench(monkeypatch, tiny_sd1, plan, seconds=60)
    bench.run()
    report = bench.report()
    assert "one prompt only" in report.notes
    assert {cell.prompt for cell in report.cells} == {PROMPTS[0]}
    assert [cell.num_inference_steps for cell in report.cells] == list(STEPS)


def test_model_stays_loaded_between_runs(monkeypatch: pytest.MonkeyPatch, tiny_sd1: Path) -> None:
    """Also with another runtime than `auto` takes."""
    loaded: list[object] = []

    def counted(*args: Any, **values: Any) -> Any:
        loaded.append(args[0])
        return load_pipeline(*args, **values)

    monkeypatch.setattr(pipeline_manager, "load_pipeline", counted)
    monkeypatch.setattr(choice, "is_installed", lambda: True)
    plan = replace(_ONE_RUN, runs=2)
    assert _measured(str(tiny_sd1), plan, None, speed="fast", runtime="torch").samples
    assert len(loaded) == 1


def test_report_has_the_settings_that_were_used(tiny_sd1: Path) -> None:
    values = {"clip_skip": 2, "negative_prompt": "a dog", "seed": 3, "policy": "strict"}
    settings = _report(str(tiny_sd1), _ONE_RUN, None, **values).settings
    assert settings.items() >= {"clip_skip": 2, "negative_prompt": "a dog", "seed": 3}.items()
    assert settings["sampler"]  # the model's own
    assert "auto" not in settings.values()
    assert settings.keys() <= set(SETTING_FIELDS)
    assert settings.keys().isdisjoint({"init_image", "init_image_fit", "strength"})


def test_report_of_image_to_image_has_the_strength_that_was_used(
    tiny_sd1: Path, tmp_path: Path
) -> None:
    image = tmp_path / "in.png"
    Image.new("RGB", _SMALL).save(image)
    report = _report(str(tiny_sd1), _ONE_RUN, None, init_image=image)
    assert report.settings["strength"] == DEFAULT_STRENGTH
    assert report.settings["init_image"] == str(image)
    assert BenchReport.model_validate_json(report.model_dump_json()) == report


def test_diffusers_gets_the_negative_prompt(tiny_sd1: Path) -> None:
    values = {"negative_prompt": "a dog", "guidance_scale": 9, "dtype": DType.FLOAT32}
    assert _measured(str(tiny_sd1), _ONE_RUN, "diffusers", **values).difference == 0


def test_diffusers_is_not_measured_with_a_feature(tiny_sd1: Path) -> None:
    with pytest.raises(BenchError, match="not measured with clip skip"):
        _report(str(tiny_sd1), _ONE_RUN, "diffusers", clip_skip=2)


def _measured(model: str, plan: BenchPlan, against: str | None, **values: Any) -> CellResult:
    (only,) = _report(model, plan, against, **values).cells
    return only


def _report(model: str, plan: BenchPlan, against: str | None, **values: Any) -> BenchReport:
    request = GenerationRequest.parse({"prompt": "-", "model": model, **values})
    settings = Settings(device="cpu", previews=False)
    bench = Bench(settings, request, plan, seconds=600, against=against, on_advance=lambda *_: None)
    bench.run()
    return bench.report()
