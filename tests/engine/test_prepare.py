"""The prepare stage: what a pass needs is computed once, however often its denoising fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image

from sdtui.core.enums import DType
from sdtui.core.settings import Settings
from sdtui.engine.features.feature import Feature
from sdtui.engine.features.image_to_image import ImageToImage
from sdtui.engine.generator import RobustStableDiffusionGenerator, generate
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Batch
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.jobs.event_text import event_text
from sdtui.requests.events import StageStarted, Step
from sdtui.requests.record import PassPlace, Stage
from sdtui.requests.request import GenerationRequest
from tests.support.events import Events
from tests.support.faults import Fault, failing
from tests.support.images import difference
from tests.support.requests import make_request


class _Prepared(Feature[str]):
    """Prepares the seeds of a batch, a row for each picture, and looks at them in each step."""

    name = "prepared"

    def __init__(self) -> None:
        self.prepared: list[tuple[int, ...]] = []
        self.seen: list[tuple[tuple[int, ...], list[int]]] = []

    def open(self, _: GenerationRequest) -> str:
        return "section"

    def prepare(self, _: str, model: LoadedModel, batch: Batch) -> Mapping[str, object]:
        self.prepared.append(batch.seeds)
        return {"seeds": torch.tensor(batch.seeds), "common": torch.zeros(1, 3), "name": "x"}

    def arguments(self, _: str, model: LoadedModel, batch: Batch) -> Mapping[str, object]:
        values = batch.prepared[self.name]
        seeds, common = values["seeds"], values["common"]
        assert isinstance(seeds, torch.Tensor)
        assert isinstance(common, torch.Tensor)
        assert common.shape == (1, 3)
        self.seen.append((batch.seeds, seeds.tolist()))
        return {}


class _PreparedOnce(_Prepared):
    """The same for all pictures."""

    prepares_once = True

    def arguments(self, _: str, model: LoadedModel, batch: Batch) -> Mapping[str, object]:
        assert batch.prepared[self.name]["name"] == "x"
        return {}


@pytest.fixture
def init_image(tmp_path: Path) -> Path:
    path = tmp_path / "init.png"
    Image.linear_gradient("L").convert("RGB").save(path)
    return path


@pytest.fixture
def feature(request: pytest.FixtureRequest) -> _Prepared:
    feature: _Prepared = getattr(request, "param", _Prepared)()
    return feature


@pytest.fixture
def preparing(feature: _Prepared) -> Iterator[StableDiffusionEngine]:
    features = (ImageToImage(), feature)
    with StableDiffusionEngine(Settings(device="cpu"), features=features) as engine:
        yield engine


_request = partial(make_request, num_inference_steps=4, num_images_per_prompt=2, strength=0.5)


@pytest.mark.parametrize(
    ("failures", "seen"),
    [
        (0, [((7, 8), [7, 8])]),
        (1, [((7, 8), [7, 8])] * 2),
        (2, [((7, 8), [7, 8])] * 2 + [((7,), [7]), ((8,), [8])]),
    ],
    ids=["at once", "retried", "in a split batch"],
)
def test_denoising_that_fails_repeats_no_preparation(
    preparing: StableDiffusionEngine,
    feature: _Prepared,
    tiny_sd1: Path,
    init_image: Path,
    failures: int,
    seen: list[object],
) -> None:
    wanted = _request(tiny_sd1, init_image=init_image)
    sound = generate(preparing, wanted).images
    feature.prepared.clear()
    feature.seen.clear()
    model = preparing.load(wanted.model, DType.FLOAT32)
    with (
        failing(model, Stage.PREPARE, Fault(0)) as encoding,
        failing(model, Stage.DENOISE, Fault(failures)),
    ):
        result = RobustStableDiffusionGenerator(preparing).generate_with_fallback(wanted)
    assert result.error is None
    assert encoding.passes == 1
    assert feature.prepared == [(7, 8)]
    assert feature.seen == seen
    for one, other in zip(result.images, sound, strict=True):
        assert difference(one, other) <= (1 if failures == 2 else 0)


@pytest.mark.parametrize("feature", [_PreparedOnce], indirect=True)
def test_what_is_the_same_for_all_pictures_is_prepared_once(
    preparing: StableDiffusionEngine, feature: _Prepared, tiny_sd1: Path
) -> None:
    generate(preparing, make_request(tiny_sd1, num_images_per_prompt=9))
    assert len(feature.prepared) == 1


def test_preparation_recovers_from_out_of_memory(
    preparing: StableDiffusionEngine,
    feature: _Prepared,
    tiny_sd1: Path,
    init_image: Path,
) -> None:
    wanted = _request(tiny_sd1, init_image=init_image, width=320, height=64)
    model = preparing.load(wanted.model, DType.FLOAT32)
    with failing(model, Stage.PREPARE, Fault(4)):
        result = RobustStableDiffusionGenerator(preparing).generate_with_fallback(wanted)
    assert result.error is None
    attempts = result.record.attempts
    assert [attempt.changes for attempt in attempts] == [
        "",
        "freed the caches",
        "encoding picture by picture",
        "tiling the VAE (256 px)",
        "1 picture at once",
    ]
    assert attempts[0].stage is Stage.PREPARE
    assert attempts[0].of_pass == PassPlace(number=1, count=1)
    assert [image.size for image in result.images] == [(320, 64)] * 2


def test_run_without_a_start_is_not_prepared(
    engine: StableDiffusionEngine, tiny_sd1: Path, events: Events
) -> None:
    generate(engine, make_request(tiny_sd1), report=events)
    stages = [event.stage for event in events if isinstance(event, StageStarted)]
    assert stages == [Stage.LOAD, Stage.ENCODE, Stage.DENOISE, Stage.DECODE]
    steps = [event for event in events if isinstance(event, Step)]
    assert {step.of_pass for step in steps} == {PassPlace(number=1, count=1)}


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (None, "preparing"),
        (PassPlace(number=1, count=1), "preparing"),
        (PassPlace(number=1, count=2), "preparing · pass 1 of 2"),
        (PassPlace(number=2, count=2, name="hires"), "preparing · pass 2 of 2: hires"),
    ],
)
def test_stage_names_its_pass_if_there_are_several(place: PassPlace | None, text: str) -> None:
    found = event_text(StageStarted(stage=Stage.PREPARE, of_pass=place))
    assert found is not None
    assert found.text == text
