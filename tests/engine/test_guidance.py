"""CFG rescale and the guidance interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from sdtui.core.settings import Settings
from sdtui.engine.families.family import StepState
from sdtui.engine.features import features_for
from sdtui.engine.features.feature import Feature
from sdtui.engine.features.guidance import rescaled
from sdtui.engine.generator import generate
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Batch
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.request import GenerationRequest
from tests.support.images import difference

G, PLAIN = 2, 1
"""Rows of the UNet for one picture, with guidance and without."""


def ask(model: Path, **values: object) -> GenerationRequest:
    usual: dict[str, object] = {"prompt": "a red apple", "width": 64, "height": 64, "seed": 5}
    usual |= {"num_inference_steps": 10, "sampler": "Euler", "guidance_scale": 5.0}
    return GenerationRequest.parse({**usual, "model": str(model), **values})


class Watch(Feature[int]):
    """Notes the rows of each call of the UNet, and passes arguments to the pipeline's call."""

    name = "watch"

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.more: dict[str, Any] = {}
        self.last: StepState | None = None

    def open(self, request: GenerationRequest) -> int:
        return 1

    def arguments(self, section: int, model: LoadedModel, batch: Batch) -> Mapping[str, Any]:
        return self.more

    def on_step(self, section: int, batch: Batch, state: StepState) -> None:
        self.last = state

    @contextmanager
    def denoising(self, section: int, model: LoadedModel, batch: Batch) -> Iterator[None]:
        self.rows.clear()

        def note(_: Any, args: tuple[Any, ...], output: Any) -> None:
            self.rows.append(len(args[0]))

        handle = model.denoiser.register_forward_hook(note)
        yield
        handle.remove()


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


@pytest.fixture(scope="module")
def engine(watch: Watch) -> Iterator[StableDiffusionEngine]:
    settings = Settings(device="cpu")
    with StableDiffusionEngine(settings, (*features_for(settings), watch)) as engine:
        yield engine


@pytest.fixture
def init_image(tmp_path: Path) -> Path:
    path = tmp_path / "init.png"
    Image.linear_gradient("L").resize((64, 64)).convert("RGB").save(path)
    return path


@pytest.mark.parametrize("xl", [False, True])
def test_rescale_is_that_of_diffusers(
    engine: StableDiffusionEngine, watch: Watch, tiny_sd1: Path, tiny_sdxl: Path, xl: bool
) -> None:
    model = tiny_sdxl if xl else tiny_sd1
    ours = generate(engine, ask(model, guidance_rescale=0.7))
    watch.more = {"guidance_rescale": 0.7}
    theirs = generate(engine, ask(model)).images[0]
    watch.more = {}
    assert difference(ours.images[0], theirs) == 0
    assert difference(generate(engine, ask(model)).images[0], theirs) > 0
    assert ours.record.settings is not None
    assert ours.record.settings.model_dump()["guidance_rescale"] == 0.7


def test_rescale_works_from_an_init_image(
    engine: StableDiffusionEngine, tiny_sd1: Path, init_image: Path
) -> None:
    plain = generate(engine, ask(tiny_sd1, init_image=init_image)).images[0]
    changed = generate(engine, ask(tiny_sd1, init_image=init_image, guidance_rescale=0.7))
    assert difference(plain, changed.images[0]) > 0


def test_rescaled_prediction_has_the_contrast_of_the_conditional_one() -> None:
    conditional, guided = torch.randn(2, 4, 8, 8).mul(2), torch.randn(2, 4, 8, 8).mul(7)
    for number, picture in enumerate(rescaled(guided, conditional, 1)):
        assert float(picture.std()) == pytest.approx(float(conditional[number].std()), rel=1e-5)
    assert torch.equal(rescaled(guided, conditional, 0), guided)


@pytest.mark.parametrize(
    ("values", "rows"),
    [
        ({}, [G] * 10),
        ({"guidance_end": 0.5}, [G] * 5 + [PLAIN] * 5),
        ({"guidance_start": 0.35}, [PLAIN] * 4 + [G] * 6),
        ({"guidance_start": 0.35, "guidance_end": 0.8}, [PLAIN] * 4 + [G] * 4 + [PLAIN] * 2),
        ({"guidance_end": 0}, [PLAIN] * 10),
        ({"guidance_end": 0.5, "sampler": "Heun"}, [G] * 9 + [PLAIN] * 10),
        ({"guidance_end": 0.5, "sampler": "PLMS"}, [G] * 5 + [PLAIN] * 6),
        ({"guidance_end": 0.5, "prompt": "[a:b:3] AND red:0.5"}, [3] * 5 + [3] * 5),
        ({"guidance_end": 0.5, "prompt": "[a:b:3] red"}, [G] * 5 + [PLAIN] * 5),
    ],
)
def test_steps_outside_the_interval_have_no_unconditional_rows(
    engine: StableDiffusionEngine,
    watch: Watch,
    tiny_sd1: Path,
    values: dict[str, object],
    rows: list[int],
) -> None:
    generate(engine, ask(tiny_sd1, **values))
    assert watch.rows == rows


def test_interval_counts_the_steps_that_are_run_from_an_init_image(
    engine: StableDiffusionEngine, watch: Watch, tiny_sd1: Path, init_image: Path
) -> None:
    generate(engine, ask(tiny_sd1, init_image=init_image, strength=0.6, guidance_end=0.5))
    assert watch.rows == [G] * 3 + [PLAIN] * 3


def test_without_guidance_at_all_it_is_the_picture_of_guidance_1(
    engine: StableDiffusionEngine, tiny_sd1: Path, tiny_sdxl: Path
) -> None:
    for model in (tiny_sd1, tiny_sdxl):
        never = generate(engine, ask(model, guidance_end=0)).images[0]
        one = generate(engine, ask(model, guidance_scale=1.0)).images[0]
        assert difference(never, one) == 0


@pytest.mark.parametrize(
    "values", [{}, {"guidance_rescale": 0.7}, {"guidance_end": 0.5}, {"guidance_start": 0.5}]
)
def test_previews_are_of_the_combined_prediction(
    engine: StableDiffusionEngine, watch: Watch, tiny_sd1: Path, values: dict[str, object]
) -> None:
    generate(engine, ask(tiny_sd1, **values))
    assert watch.last is not None
    assert watch.last.x0 is not None
    # The last step of Euler's method goes to the predicted latents themselves.
    error = (watch.last.x0 - watch.last.latents[0]).abs().max()
    assert float(error / watch.last.latents.abs().max()) < 1e-2  # in bf16


def test_deep_features_are_dropped_where_guidance_ends(
    engine: StableDiffusionEngine, watch: Watch, tiny_sd1: Path
) -> None:
    generate(engine, ask(tiny_sd1, guidance_end=0.5, speed="fast"))
    assert watch.rows == [G] * 5 + [PLAIN] * 5
