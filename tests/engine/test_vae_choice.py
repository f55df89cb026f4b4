"""VAE choice."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import load_file, save_file

from sdtui.core.errors import (
    ModelDamagedError,
    ModelNotFoundError,
    SdtuiError,
    UnsafeModelError,
    UnsupportedModelError,
)
from sdtui.core.settings import Settings
from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.history.infotext import write_infotext
from sdtui.models.vaes import find_vae, sidecar_vae, vae_files
from sdtui.requests.request import GenerationRequest
from tests.support.images import difference
from tests.support.original_layout import original_tensors


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vaes")


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[StableDiffusionEngine]:
    with StableDiffusionEngine(Settings(device="cpu", vae_folders=(folder,))) as engine:
        yield engine


@pytest.fixture(scope="module")
def other(folder: Path, tiny_sd1: Path) -> Path:
    """A VAE of the same architecture with other weights, under diffusers' names."""
    tensors = load_file(tiny_sd1 / "vae" / "diffusion_pytorch_model.safetensors")
    changed = {key: tensor.roll(1, dims=0).contiguous() for key, tensor in tensors.items()}
    save_file(changed, folder / "Other.safetensors")
    return folder / "Other.safetensors"


def ask(model: Path, **values: object) -> GenerationRequest:
    usual: dict[str, object] = {"prompt": "a red apple", "width": 64, "height": 64, "seed": 5}
    usual |= {"num_inference_steps": 2, "sampler": "Euler"}
    return GenerationRequest.parse({**usual, "model": str(model), **values})


def test_vae_is_changed_without_loading_the_model_and_changed_back(
    engine: StableDiffusionEngine, tiny_sd1: Path, other: Path, no_network: None
) -> None:
    before = generate(engine, ask(tiny_sd1))
    loaded = engine.loaded
    changed = generate(engine, ask(tiny_sd1, vae="other"))
    assert engine.loaded is loaded
    assert difference(before.images[0], changed.images[0]) > 0
    by_path = generate(engine, ask(tiny_sd1, vae=str(other)))
    assert difference(changed.images[0], by_path.images[0]) == 0
    after = generate(engine, ask(tiny_sd1))
    assert engine.loaded is loaded
    assert difference(before.images[0], after.images[0]) == 0


def test_pixels_are_those_of_the_chosen_vae(
    engine: StableDiffusionEngine, tiny_sd1: Path, other: Path
) -> None:
    generate(engine, ask(tiny_sd1, vae="Other", dtype="float32"))
    assert engine.loaded is not None
    wanted: Any = diffusers.AutoencoderKL.from_pretrained(tiny_sd1 / "vae")
    wanted.load_state_dict(load_file(other))
    latents = torch.randn(1, wanted.config.latent_channels, 8, 8)
    with torch.no_grad():
        assert torch.equal(
            engine.loaded.vae.decode(latents).sample, wanted.eval().decode(latents).sample
        )


@pytest.mark.parametrize("prefix", ["", "first_stage_model."])
def test_vae_under_the_original_names_is_taken(
    engine: StableDiffusionEngine, folder: Path, tiny_sd1: Path, prefix: str, no_network: None
) -> None:
    own = generate(engine, ask(tiny_sd1)).images[0]
    assert engine.loaded is not None
    whole = original_tensors(engine.loaded.pipeline)
    start = "first_stage_model."
    tensors = {
        f"{prefix}{key.removeprefix(start)}": tensor.contiguous()
        for key, tensor in whole.items()
        if key.startswith(start)
    }
    path = folder.parent / f"original-{bool(prefix)}.safetensors"
    save_file(tensors, path)
    assert difference(own, generate(engine, ask(tiny_sd1, vae=str(path))).images[0]) == 0


def test_vae_stands_in_record_and_infotext(
    engine: StableDiffusionEngine, tiny_sd1: Path, other: Path
) -> None:
    record = generate(engine, ask(tiny_sd1, vae="other")).record.of_image(0)
    assert record.settings is not None
    assert record.values()["vae"] == "Other.safetensors"
    digest = record.settings.vae_hash
    assert digest is not None
    assert f"VAE hash: {digest[:10]}" in write_infotext(record)
    assert "VAE: Other.safetensors" in write_infotext(record)
    plain = generate(engine, ask(tiny_sd1, vae="None")).record.of_image(0)
    assert plain.values()["vae"] == "none"
    assert "VAE" not in write_infotext(plain)


def test_names_of_no_choice_leave_it_open() -> None:
    for name in ("Automatic", "", "auto"):
        assert GenerationRequest.parse({"prompt": "x", "vae": name}).vae.vae is None
    assert GenerationRequest.parse({"prompt": "x", "vae": "None"}).vae.vae == "none"


def _wrong(kind: str, folder: Path, other: Path) -> Path:
    path = folder.parent / f"wrong-{kind}.safetensors"
    if kind == "pickle":
        path = path.with_suffix(".pt")
        path.write_bytes(b"\x80\x02")
    elif kind == "damaged":
        path.write_bytes(b"\xff" * 100)
    elif kind == "lacking":
        tensors = load_file(other)
        del tensors["decoder.conv_out.weight"]
        save_file(tensors, path)
    elif kind == "narrow":
        save_file({"decoder.conv_in.weight": torch.zeros(4, 16, 3, 3)}, path)
    elif kind == "lora":
        save_file({"lora_unet_x.lora_down.weight": torch.zeros(4, 4)}, path)
    return path


@pytest.mark.parametrize(
    ("kind", "error", "says"),
    [
        ("missing", ModelNotFoundError, "there is no VAE"),
        ("pickle", UnsafeModelError, "pickle"),
        ("damaged", ModelDamagedError, "wrong-damaged"),
        ("lacking", ModelDamagedError, "wrong-lacking"),
        ("narrow", UnsupportedModelError, "needs one of"),
        ("lora", UnsupportedModelError, "is no VAE"),
    ],
)
def test_file_that_is_no_such_vae_is_refused_and_nothing_changed(
    engine: StableDiffusionEngine,
    folder: Path,
    other: Path,
    tiny_sd1: Path,
    no_network: None,
    kind: str,
    error: type[SdtuiError],
    says: str,
) -> None:
    before = generate(engine, ask(tiny_sd1)).images[0]
    loaded = engine.loaded
    with pytest.raises(error, match=says) as caught:
        generate(engine, ask(tiny_sd1, vae=str(_wrong(kind, folder, other))))
    assert "\n" not in caught.value.what
    after = generate(engine, ask(tiny_sd1)).images[0]
    assert difference(before, after) == 0
    assert engine.loaded is loaded


def test_unknown_name_names_the_nearest(engine: StableDiffusionEngine, other: Path) -> None:
    with pytest.raises(ModelNotFoundError, match='did you mean "Other"'):
        find_vae("Othre", engine.settings)


def test_vae_beside_a_checkpoint_belongs_to_it(tmp_path: Path, other: Path) -> None:
    checkpoint = tmp_path / "mine.safetensors"
    assert sidecar_vae(checkpoint) is None
    shutil.copy(other, tmp_path / "mine.vae.safetensors")
    found = sidecar_vae(checkpoint)
    assert found is not None
    assert found.name == "mine.vae.safetensors"
    settings = Settings(model_folders=(tmp_path,))
    assert [each.path.name for each in vae_files(settings)] == ["mine.vae.safetensors"]
    assert find_vae("mine.vae.safetensors", settings).path == found.path
    (tmp_path / "mine.vae.safetensors").write_bytes(b"")
    assert sidecar_vae(checkpoint) is None
