"""Transformer files: what their headers say, and the models that complete them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtui.core.errors import ModelDamagedError, ModelError, UnsupportedModelError
from sdtui.core.settings import Settings
from sdtui.models import describe_model, find_model, hub_cache_folder, installed_models
from sdtui.models.gguf_header import read_gguf_header
from sdtui.models.transformer_file import read_transformer_file
from sdtui.models.transformer_kinds import KINDS
from tests.support.model_files import safetensors
from tests.support.transformer_headers import FLUX, flux_folder, gguf


def test_gguf_header_has_names_formats_and_shapes(tmp_path: Path) -> None:
    header = read_gguf_header(gguf(tmp_path / "m.gguf", FLUX))
    assert {name: info.shape for name, info in header.tensors.items()} == FLUX
    assert {info.dtype for info in header.tensors.values()} == {"F32", "Q8_0"}
    assert header.metadata == {"general.architecture": "flux"}


@pytest.mark.parametrize("length", [0, 3, 20, 100, 400, -1])
def test_gguf_file_that_is_cut_short_is_damaged(tmp_path: Path, length: int) -> None:
    file = gguf(tmp_path / "m.gguf", FLUX)
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(ModelDamagedError):
        read_gguf_header(file)


def test_gguf_files_of_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="number is 99"):
        read_gguf_header(gguf(tmp_path / "m.gguf", FLUX, number=99))
    with pytest.raises(UnsupportedModelError, match="version 1"):
        read_gguf_header(gguf(tmp_path / "m.gguf", FLUX, version=1))
    with pytest.raises(UnsupportedModelError, match="language model"):
        describe_model(gguf(tmp_path / "m.gguf", {"blk.0.attn_q.weight": (32, 32)}))


def test_every_kind_is_recognised_by_each_of_its_markers(tmp_path: Path) -> None:
    for kind in KINDS:
        for marker in kind.markers:
            file = safetensors(
                tmp_path / "m.safetensors", {f"model.diffusion_model.{marker}": (4,)}
            )
            found = read_transformer_file(file)
            assert found is not None
            assert found.kind is kind


def test_file_is_completed_by_the_model_of_its_size(tmp_path: Path) -> None:
    file = gguf(tmp_path / "flux.gguf", FLUX)
    flux_folder(tmp_path / "models" / "schnell", {"guidance_embeds": False})
    flux_folder(tmp_path / "models" / "wider", {"joint_attention_dim": 128})
    settings = Settings(model_folders=(tmp_path / "models",))
    with pytest.raises(UnsupportedModelError, match=r"FLUX\.1-dev"):
        describe_model(file, settings)
    right = flux_folder(tmp_path / "models" / "dev")
    described = describe_model(file, settings)
    assert (described.path, described.configs) == (file, right)
    assert described.family == "FluxPipeline"
    assert described.parameters["transformer"] == 64 * 32 * 2 + 32 * (64 + 96 + 32) + 128


def test_file_is_completed_by_the_hubs_cache_and_by_name(tmp_path: Path) -> None:
    file = gguf(tmp_path / "flux1-kontext.gguf", FLUX)
    repository = hub_cache_folder() / "models--a--b"
    cached = flux_folder(repository / "snapshots" / "0")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0")
    assert describe_model(file).configs == cached
    # It has no transformer of its own.
    assert "a/b" not in [source.name for source in installed_models()]
    kontext = flux_folder(tmp_path / "kontext", _class_name="FluxKontextPipeline")
    assert describe_model(file, Settings(base_models=(kontext,))).configs == kontext


@pytest.mark.parametrize(("name", "base"), [("edit-2509", 1), ("edit", 0)])
def test_versions_of_qwen_image_edit_are_completed_by_their_own_pipeline(
    tmp_path: Path, name: str, base: int
) -> None:
    tensors = {"transformer_blocks.0.img_mod.1.weight": (64, 32), "txt_in.weight": (32, 32)}
    file = gguf(tmp_path / f"qwen-image-{name}.gguf", tensors)
    config = {"num_layers": 1, "joint_attention_dim": 32}
    folders = tuple(
        flux_folder(tmp_path / kind, config, _class_name=f"QwenImage{kind}Pipeline")
        for kind in ("Edit", "EditPlus")
    )
    assert describe_model(file, Settings(base_models=folders)).configs == folders[base]


def test_incomplete_or_damaged_model_completes_nothing(tmp_path: Path) -> None:
    file = gguf(tmp_path / "flux.gguf", FLUX)
    base = flux_folder(tmp_path / "base")
    (base / "vae" / "model.safetensors").unlink()
    with pytest.raises(UnsupportedModelError, match="needs the vae"):
        describe_model(file, Settings(base_models=(base,)))
    (base / "transformer" / "config.json").write_text("[")
    with pytest.raises(UnsupportedModelError, match="text encoders and the VAE"):
        describe_model(file, Settings(base_models=(base,)))


def test_single_files_of_comfyui_are_named_where_they_do_not_help(tmp_path: Path) -> None:
    folder = tmp_path / "ComfyUI" / "models"
    for place in ("checkpoints", "clip", "unet"):
        (folder / place).mkdir(parents=True)
    safetensors(folder / "clip" / "t5xxl.safetensors", {"a": (4,)})
    file = gguf(folder / "unet" / "flux.gguf", FLUX)
    with pytest.raises(ModelError, match="t5xxl"):
        describe_model(file, Settings(model_folders=(folder / "checkpoints",)))


def test_transformer_files_are_found_where_comfyui_keeps_them(tmp_path: Path) -> None:
    folder = tmp_path / "ComfyUI" / "models"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "unet").mkdir()
    (folder / "diffusion_models").mkdir()
    gguf(folder / "unet" / "flux-Q8.gguf", FLUX)
    safetensors(folder / "diffusion_models" / "fp8.safetensors", FLUX)
    for given in (folder / "checkpoints", folder, folder.parent):
        names = [source.name for source in installed_models([given])]
        ends = sorted(name.rpartition("/")[2] for name in names if name != "pocket")
        assert ends == ["flux-Q8.gguf", "fp8"]
        assert find_model("flux-Q8.gguf", [given]).path == folder / "unet" / "flux-Q8.gguf"


def test_weights_in_formats_of_other_programs_are_refused(tmp_path: Path) -> None:
    for more in ({"double_blocks.0.img_mod.lin.weight.absmax": (4,)},):
        file = safetensors(tmp_path / "m.safetensors", {**FLUX, **more})
        with pytest.raises(UnsupportedModelError, match="number format"):
            describe_model(file)
