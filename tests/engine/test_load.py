"""Loading model folders, complete and damaged ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import DType
from sdtui.core.errors import (
    CancelledError,
    ModelDamagedError,
    SdtuiError,
    UnsafeModelError,
    UnsupportedModelError,
)
from sdtui.engine.device import TORCH_DTYPES
from sdtui.engine.stages import load as load_stage
from sdtui.engine.stages.load import load_component, load_pipeline
from sdtui.models import describe_model
from tests.support.tiny_transformers import save_tiny

pytestmark = pytest.mark.usefixtures("no_network")


@pytest.fixture
def copy(tiny_sd1: Path, tmp_path: Path) -> Path:
    """A model folder that a test may change."""
    return Path(shutil.copytree(tiny_sd1, tmp_path / "copy"))


def load(path: Path, dtype: DType = DType.FLOAT32) -> Any:
    """Load a model without reporting."""
    return load_pipeline(describe_model(path), dtype, lambda *_: None, Cancellation())[0]


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file."""
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_library_errors_are_logged_with_their_traceback(
    copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (copy / "tokenizer" / "tokenizer.json").write_text("[]")
    assert "the log has the whole error" in str(refused(copy))
    logged = [record for record in caplog.records if record.name == "sdtui.engine.stages.load"]
    assert logged[0].exc_info is not None
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_are_ignored(copy: Path, encoding: str) -> None:
    for file in [*copy.rglob("*.json"), *copy.rglob("*.txt")]:
        file.write_bytes(file.read_text(encoding="utf-8").encode(encoding))
    load(copy)


def refused(path: Path) -> SdtuiError:
    """Return the error of loading, which must be one line."""
    with pytest.raises(SdtuiError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("dtype", [DType.FLOAT32, DType.BFLOAT16])
def test_every_component_is_reported_and_has_the_dtype(tiny_sdxl: Path, dtype: DType) -> None:
    received: list[tuple[str, int, int]] = []
    pipeline, timings = load_pipeline(
        describe_model(tiny_sdxl),
        dtype,
        lambda *component: received.append(component),
        Cancellation(),
    )
    assert [name for name, _, _ in received] == list(timings)
    assert [(number, total) for _, number, total in received] == [(n, 7) for n in range(1, 8)]
    for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder, pipeline.text_encoder_2):
        assert part.dtype is TORCH_DTYPES[dtype]
        assert not part.training


def test_relative_path_is_not_taken_for_a_hub_id(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy.parent)
    load(Path("copy"))
    shutil.rmtree(copy / "tokenizer")
    assert isinstance(refused(Path("copy")), ModelDamagedError)


@pytest.mark.parametrize("variant", ["fp16", "bf16", "non_ema"])
def test_variant_alone_is_loaded(tiny_sd1: Path, copy: Path, variant: str) -> None:
    for file in copy.glob("*/*.safetensors"):
        file.rename(file.with_suffix(f".{variant}.safetensors"))
    weights = load(copy).unet.state_dict()
    for name, tensor in load(tiny_sd1).unet.state_dict().items():
        assert torch.equal(weights[name], tensor)


def test_loading_can_be_cancelled_between_components(tiny_sd1: Path) -> None:
    cancellation = Cancellation()
    begun: list[str] = []

    def on_component(name: str, number: int, _: int) -> None:
        begun.append(name)
        if number == 2:
            cancellation.stop_now()

    with pytest.raises(CancelledError):
        load_pipeline(describe_model(tiny_sd1), DType.FLOAT32, on_component, cancellation)
    assert len(begun) == 2


def test_optional_parts_are_left_out(copy: Path) -> None:
    edit(
        copy / "model_index.json",
        lambda index: index.update(
            safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"],
            feature_extractor=["transformers", "CLIPFeatureExtractor"],
        ),
    )
    pipeline = load(copy)
    assert pipeline.safety_checker is None
    assert pipeline.feature_extractor is None


@pytest.mark.parametrize(
    ("component", "expected"),
    [
        (["diffusers", "UNetOfTomorrow"], UnsupportedModelError),
        (["diffusers", "utils"], UnsupportedModelError),
        (["evil", "UNet2DConditionModel"], UnsafeModelError),
        (["..evil", "UNet2DConditionModel"], UnsafeModelError),
    ],
)
def test_components_of_unknown_libraries_are_refused(
    copy: Path, component: list[str], expected: type[SdtuiError]
) -> None:
    edit(copy / "model_index.json", lambda index: index.update(unet=component))
    error = refused(copy)
    assert isinstance(error, expected)
    assert f"{component[0]}.{component[1]}" in str(error)


@pytest.mark.parametrize("name", ["../x", "/etc", "un et", ""])
def test_component_names_with_paths_are_refused(copy: Path, name: str) -> None:
    edit(
        copy / "model_index.json",
        lambda index: index.update({name: ["diffusers", "UNet2DConditionModel"]}),
    )
    assert name not in describe_model(copy).components


@pytest.mark.parametrize(
    "pipeline_class",
    [
        "StableDiffusionImg2ImgPipeline",
        "KandinskyV22InpaintPipeline",
        "StableDiffusionUpscalePipeline",
        "StableVideoDiffusionPipeline",
        "PipelineOfTomorrow",
        "UNet2DConditionModel",
        "__version__",
    ],
)
def test_pipelines_that_are_not_text_to_image_are_refused(copy: Path, pipeline_class: str) -> None:
    edit(copy / "model_index.json", lambda index: index.update(_class_name=pipeline_class))
    error = refused(copy)
    assert isinstance(error, UnsupportedModelError)
    assert pipeline_class in str(error)


@pytest.mark.parametrize(
    ("pipeline_class", "reason"),
    [
        ("StableDiffusionAttendAndExcitePipeline", "needs token_indices"),
        ("VersatileDiffusionPipeline", "from text alone"),
        ("Flux9Pipeline", "doesn't have"),
    ],
)
def test_pipelines_are_refused_before_any_weights_are_read(
    copy: Path, pipeline_class: str, reason: str
) -> None:
    edit(copy / "model_index.json", lambda index: index.update(_class_name=pipeline_class))
    description = describe_model(copy)
    shutil.rmtree(copy / "unet")
    with pytest.raises(UnsupportedModelError, match=reason):
        load_pipeline(description, DType.FLOAT32, lambda *_: None, Cancellation())


@pytest.mark.parametrize("part", ["vae", "unet", "text_encoder", "tokenizer", "scheduler"])
def test_index_without_an_essential_part_is_refused(copy: Path, part: str) -> None:
    edit(copy / "model_index.json", lambda index: index.update({part: [None, None]}))
    assert f"without {part}" in str(refused(copy))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def _reshape(path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(path)
    name = max(tensors, key=lambda name: tensors[name].numel())
    tensors[name] = tensors[name][:-1].clone()
    save_file(tensors, path, {"format": "pt"})


def _lose_one(path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(path)
    del tensors[max(tensors)]
    save_file(tensors, path, {"format": "pt"})


@pytest.mark.parametrize("damage", [_cut, _reshape, _lose_one, Path.unlink])
@pytest.mark.parametrize("file", ["unet/diffusion_pytorch_model", "text_encoder/model"])
def test_damaged_weights_are_refused(copy: Path, file: str, damage: Callable[[Path], None]) -> None:
    damage(copy / f"{file}.safetensors")
    error = refused(copy)
    assert isinstance(error, ModelDamagedError)
    assert str(copy) in str(error)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("unet/config.json", "{}"),
        ("unet/config.json", "{"),
        ("unet/config.json", '{"block_out_channels": "many"}'),
        ("vae/config.json", '{"block_out_channels": [-1], "down_block_types": ["DownBlock9D"]}'),
        ("text_encoder/config.json", '{"hidden_size": 7}'),
        ("tokenizer/tokenizer.json", "[]"),
        ("scheduler/scheduler_config.json", '{"beta_schedule": "wavy"}'),
    ],
)
def test_broken_configs_are_refused(copy: Path, file: str, text: str) -> None:
    (copy / file).write_text(text)
    assert isinstance(refused(copy), ModelDamagedError)


@pytest.mark.parametrize("folder", ["tokenizer", "scheduler", "unet"])
def test_missing_component_folders_are_refused(copy: Path, folder: str) -> None:
    shutil.rmtree(copy / folder)
    error = refused(copy)
    assert isinstance(error, ModelDamagedError)
    assert folder in str(error)


def test_remote_code_of_a_tokenizer_is_not_run(copy: Path) -> None:
    edit(
        copy / "tokenizer" / "tokenizer_config.json",
        lambda config: config.update(
            auto_map={"AutoTokenizer": ["someone/evil--code.Tokenizer", None]}
        ),
    )
    edit(
        copy / "model_index.json",
        lambda index: index.update(tokenizer=["transformers", "AutoTokenizer"]),
    )
    assert type(load(copy).tokenizer).__module__.startswith("transformers.")


class _LargestOf(TorchDispatchMode):
    """Watches the tensors that torch creates with data, and records the largest in fp32."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.values = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and tensor.dtype is torch.float32:
                self.values = max(self.values, 0 if tensor.is_meta else tensor.numel())
        return result


@pytest.mark.parametrize("name", ["unet", "vae", "text_encoder"])
def test_fp16_weights_never_pass_through_fp32(tiny_sd1: Path, tmp_path: Path, name: str) -> None:
    halved = load(tiny_sd1).to(torch.float16)
    halved.save_pretrained(tmp_path)
    largest = max(tensor.numel() for tensor in getattr(halved, name).state_dict().values())
    with _LargestOf() as watched:
        loaded = load_component(describe_model(tmp_path), name, torch.float16)
    assert loaded.dtype is torch.float16
    assert watched.values < largest / 4


def test_processor_that_needs_torchvision_reads_texts_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_tiny("z_image", tmp_path / "z_image")
    processor = {"tokenizer": ["transformers", "PixtralProcessor"]}
    edit(folder / "model_index.json", lambda index: index.update(processor))
    monkeypatch.setattr(load_stage, "missing_libraries", lambda _: ["torchvision"])
    tokenizer = load_component(describe_model(folder), "tokenizer", torch.float32)
    messages = [{"role": "user", "content": "a cat"}]
    assert "a cat" in tokenizer.apply_chat_template(messages, tokenize=False)


def test_lists_in_the_index_reach_the_pipeline(tmp_path: Path) -> None:
    folder = save_tiny("krea2", tmp_path / "krea2")
    edit(folder / "model_index.json", lambda index: index.update(text_encoder_select_layers=[2, 1]))
    assert list(load(folder).config.text_encoder_select_layers) == [2, 1]


def test_failed_load_leaves_torchs_default_dtype(copy: Path) -> None:
    edit(copy / "unet" / "config.json", lambda config: config.update(down_block_types=["Unknown"]))
    with pytest.raises(ModelDamagedError):
        load(copy, DType.BFLOAT16)
    assert torch.get_default_dtype() == torch.float32
