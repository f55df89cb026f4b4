"""Files of every tool change the layers that they name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel

from sdtui.core.errors import ModelDamagedError
from sdtui.engine.lora.delta import Decomposed, Delta
from sdtui.engine.lora.formats import parse_lora_tensors, read_lora
from sdtui.engine.lora.layers import Layers, PlacedDelta
from sdtui.engine.lora.other_names import names_in_unets
from tests.support import loras as tools
from tests.support.loras import Layer, Naming, Trained, random_lora, tensors_of, weight_of

_FORMATS: list[tuple[str, Naming, tuple[str, str], str, tuple[str, ...]]] = [
    ("kohya", tools.kohya, tools.LORA_DOWN, "sd1", ("unet", "text_encoder")),
    ("kohya of SDXL", tools.kohya_sgm, tools.LORA_DOWN, "sdxl", ("unet",)),
    ("kohya's encoders", tools.kohya, tools.LORA_DOWN, "sdxl", ("text_encoder", "text_encoder_2")),
    ("diffusers", tools.diffusers, tools.LORA_AB, "sd1", ("unet", "text_encoder")),
    ("diffusers of SDXL", tools.diffusers, tools.LORA_AB, "sdxl", ("unet", "text_encoder_2")),
    ("diffusers before PEFT", tools.diffusers, tools.LORA_OLD, "sd1", ("unet",)),
    ("diffusers' encoders", tools.diffusers, tools.LORA_LINEAR, "sd1", ("text_encoder",)),
    ("PEFT", tools.peft, tools.LORA_AB, "sd1", ("unet",)),
    ("SimpleTuner", tools.simpletuner, tools.LORA_DOWN, "sd1", ("unet",)),
    ("ai-toolkit of Flux", tools.ai_toolkit, tools.LORA_AB, "flux", ("transformer",)),
    ("OneTrainer of Flux", tools.onetrainer, tools.LORA_DOWN, "flux", ("transformer",)),
    ("diffusers of Flux", tools.diffusers, tools.LORA_AB, "flux", ("transformer",)),
    ("diffusers of SD 3", tools.diffusers, tools.LORA_AB, "sd3", ("transformer",)),
    ("ai-toolkit of Z-Image", tools.ai_toolkit, tools.LORA_AB, "z_image", ("transformer",)),
]


def _changes(pipeline: Any, tensors: dict[str, torch.Tensor], **metadata: str) -> dict[Layer, Any]:
    """Return the change of each layer's weight; nothing may be left over."""
    placed = Layers(pipeline).place(parse_lora_tensors(tensors, metadata))
    assert placed.unmatched == ()
    return {
        (each.place.component, each.place.path): _matrix(pipeline, each) for each in placed.deltas
    }


def _matrix(pipeline: Any, each: PlacedDelta) -> torch.Tensor:
    weight = weight_of(pipeline, (each.place.component, each.place.path))
    rows, _ = each.delta.shape
    original = weight.detach().flatten(1).float()
    return each.delta.change(original[each.place.start :][:rows])


def _close(made: torch.Tensor, expected: torch.Tensor) -> bool:
    return bool((made.double() - expected).norm() <= 1e-6 * expected.norm())


@pytest.mark.parametrize(
    ("naming", "suffixes", "family", "components"),
    [each[1:] for each in _FORMATS],
    ids=[each[0] for each in _FORMATS],
)
def test_every_format_finds_its_layers(
    pipelines: dict[str, Any],
    naming: Naming,
    suffixes: tuple[str, str],
    family: str,
    components: tuple[str, ...],
) -> None:
    pipeline = pipelines[family]
    values = random_lora(pipeline, tools.trained_layers(pipeline, *components))
    made = _changes(pipeline, tensors_of(pipeline, values, naming, suffixes, alpha=2.0))
    assert made.keys() == values.keys()
    assert all(_close(made[layer], value.change(2.0)) for layer, value in values.items())


def test_processors_of_old_diffusers_are_attention_layers(pipelines: dict[str, Any]) -> None:
    pipeline = pipelines["sd1"]
    layers = [layer for layer in tools.trained_layers(pipeline, "unet") if ".attn" in layer[1]]
    values = random_lora(pipeline, layers)
    names = tools.diffusers_at_first, tools.LORA_PROCESSOR
    made = _changes(pipeline, tensors_of(pipeline, values, *names))
    assert made.keys() == values.keys()
    assert all(_close(made[layer], value.change()) for layer, value in values.items())


@pytest.mark.parametrize(
    ("config", "pairs"),
    [
        (
            {"cross_attention_dim": 768},
            {
                "input_blocks.1.1": "down_blocks.0.attentions.0",
                "input_blocks.3.0.op": "down_blocks.0.downsamplers.0.conv",
                "input_blocks.11.0.in_layers.2": "down_blocks.3.resnets.1.conv1",
                "middle_block.1.proj_in": "mid_block.attentions.0.proj_in",
                "middle_block.2.out_layers.3": "mid_block.resnets.1.conv2",
                "output_blocks.2.1.conv": "up_blocks.0.upsamplers.0.conv",
                "output_blocks.5.2.conv": "up_blocks.1.upsamplers.0.conv",
                "output_blocks.11.1": "up_blocks.3.attentions.2",
                "time_embed.2": "time_embedding.linear_2",
            },
        ),
        (
            {
                "cross_attention_dim": 2048,
                "block_out_channels": (320, 640, 1280),
                "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
                "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
                "transformer_layers_per_block": (1, 2, 10),
                "use_linear_projection": True,
            },
            {
                "input_blocks.4.1": "down_blocks.1.attentions.0",
                "input_blocks.8.1": "down_blocks.2.attentions.1",
                "input_blocks.4.0.skip_connection": "down_blocks.1.resnets.0.conv_shortcut",
                "output_blocks.0.1": "up_blocks.0.attentions.0",
                "output_blocks.2.2.conv": "up_blocks.0.upsamplers.0.conv",
                "output_blocks.8.0.emb_layers.1": "up_blocks.2.resnets.2.time_emb_proj",
            },
        ),
    ],
    ids=["SD 1.5", "SDXL"],
)
def test_names_of_stability_ai(config: dict[str, Any], pairs: dict[str, str]) -> None:
    with torch.device("meta"):
        unet: Any = UNet2DConditionModel(**config)
    paths = {
        name: path for name, (path,) in names_in_unets(n for n, _ in unet.named_modules()).items()
    }
    assert {name: paths.get(name) for name in pairs} == pairs


def test_flux_in_the_names_of_black_forest_labs(pipelines: dict[str, Any]) -> None:
    pipeline = pipelines["flux"]
    block = "single_transformer_blocks.0"
    parts = [f"{block}.attn.to_{name}" for name in "qkv"] + [f"{block}.proj_mlp"]
    rows = [len(weight_of(pipeline, ("transformer", part))) for part in parts]
    up, down = torch.randn(sum(rows), 4), torch.randn(4, 32)
    name = "lora_unet_single_blocks_0_linear1"
    tensors = {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down}
    made = _changes(pipeline, tensors)
    whole = torch.cat([made["transformer", part] for part in parts])
    assert _close(whole, up.double() @ down.double())


@pytest.mark.parametrize(
    ("family", "name", "parts"),
    [
        ("flux", "double_blocks.0.img_attn.qkv", "transformer_blocks.0.attn.to_{}"),
        ("flux", "double_blocks.0.txt_attn.qkv", "transformer_blocks.0.attn.add_{}_proj"),
        ("sd3", "joint_blocks.0.x_block.attn.qkv", "transformer_blocks.0.attn.to_{}"),
        ("sd3", "joint_blocks.0.context_block.attn.qkv", "transformer_blocks.0.attn.add_{}_proj"),
        ("z_image", "layers.0.attention.qkv", "layers.0.attention.to_{}"),
    ],
)
def test_one_matrix_for_query_key_and_value_is_split(
    pipelines: dict[str, Any], family: str, name: str, parts: str
) -> None:
    pipeline = pipelines[family]
    layers = [("transformer", parts.format(letter)) for letter in "qkv"]
    rows, columns = weight_of(pipeline, layers[0]).shape
    up, down = torch.randn(3 * rows, 4), torch.randn(4, columns)
    key = f"diffusion_model.{name}"
    made = _changes(pipeline, {f"{key}.lora_B.weight": up, f"{key}.lora_A.weight": down})
    assert _close(torch.cat([made[layer] for layer in layers]), up.double() @ down.double())


@pytest.mark.parametrize(
    ("family", "name", "path"),
    [
        ("flux", "final_layer.adaLN_modulation.1", "norm_out.linear"),
        ("sd3", "final_layer.adaLN_modulation.1", "norm_out.linear"),
        (
            "sd3",
            "joint_blocks.1.context_block.adaLN_modulation.1",
            "transformer_blocks.1.norm1_context.linear",
        ),
        ("flux2_klein", "final_layer.adaLN_modulation.1", "norm_out.linear"),
    ],
)
def test_shift_and_scale_of_the_last_modulation_change_places(
    pipelines: dict[str, Any], family: str, name: str, path: str
) -> None:
    pipeline = pipelines[family]
    layer = ("transformer", path)
    rows, columns = weight_of(pipeline, layer).shape
    up, down = torch.randn(rows, 4), torch.randn(4, columns)
    key = f"diffusion_model.{name}"
    tensors = {f"{key}.lora_B.weight": up, f"{key}.lora_A.weight": down}
    placed = Layers(pipeline).place(parse_lora_tensors(tensors, {})).deltas
    made = torch.zeros(rows, columns)
    for each in placed:
        made[each.place.start :][: each.place.rows] = _matrix(pipeline, each)
    shift, scale = (up.double() @ down.double()).chunk(2)
    assert _close(made, torch.cat([scale, shift]))


@pytest.mark.parametrize(
    ("family", "pairs"),
    [
        (
            "flux2_klein",
            {
                "double_blocks.0.img_mlp.0": "transformer_blocks.0.ff.linear_in",
                "single_blocks.0.linear1": "single_transformer_blocks.0.attn.to_qkv_mlp_proj",
                "single_blocks.0.linear2": "single_transformer_blocks.0.attn.to_out",
                "single_stream_modulation.lin": "single_stream_modulation.linear",
                "time_in.in_layer": "time_guidance_embed.timestep_embedder.linear_1",
            },
        ),
        (
            "sd3",
            {
                "x_embedder.proj": "pos_embed.proj",
                "t_embedder.mlp.0": "time_text_embed.timestep_embedder.linear_1",
                "y_embedder.mlp.2": "time_text_embed.text_embedder.linear_2",
            },
        ),
        (
            "z_image",
            {
                "x_embedder": "all_x_embedder.2-1",
                "final_layer.linear": "all_final_layer.2-1.linear",
            },
        ),
    ],
)
def test_layers_outside_of_attention_are_found_by_their_names_elsewhere(
    pipelines: dict[str, Any], family: str, pairs: dict[str, str]
) -> None:
    pipeline = pipelines[family]
    for name, path in pairs.items():
        rows, *others = weight_of(pipeline, ("transformer", path)).shape
        tensors = {
            f"diffusion_model.{name}.lora_A.weight": torch.randn(4, *others),
            f"diffusion_model.{name}.lora_B.weight": torch.randn(rows, 4),
        }
        assert _changes(pipeline, tensors).keys() == {("transformer", path)}


def test_projections_that_diffusers_fused_are_rows_of_their_matrix(
    pipelines: dict[str, Any],
) -> None:
    pipeline = pipelines["sd1"]
    layer = "down_blocks.0.attentions.0.transformer_blocks.0"
    attention = pipeline.unet.get_submodule(f"{layer}.attn1")
    file = parse_lora_tensors(
        {
            f"unet.{layer}.attn1.to_k.lora_A.weight": torch.ones(1, 16),
            f"unet.{layer}.attn1.to_k.lora_B.weight": torch.ones(16, 1),
        },
        {},
    )
    attention.fuse_projections()
    try:
        (placed,) = Layers(pipeline).place(file).deltas
    finally:
        del attention.to_qkv
        attention.fused_projections = False
    assert (placed.place.path, placed.place.start) == (f"{layer}.attn1.to_qkv", 16)


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({}, 1.0),
        ({"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 8, "unet.r": 4})}, 2.0),
        (
            {
                "lora_adapter_metadata": json.dumps(
                    {"unet.lora_alpha": 8, "unet.r": 4, "unet.use_rslora": True}
                )
            },
            4.0,
        ),
        (
            {
                "lora_adapter_metadata": json.dumps(
                    {"unet.lora_alpha": 8, "unet.alpha_pattern": {"attn1.to_q": 1}}
                )
            },
            0.25,
        ),
        ({"lora_adapter_metadata": "{"}, 1.0),
    ],
)
def test_strength_is_that_of_peft_config(extra: dict[str, str], expected: float) -> None:
    name = "unet.block.attn1.to_q"
    tensors = {f"{name}.lora_A.weight": torch.ones(4, 6), f"{name}.lora_B.weight": torch.ones(5, 4)}
    delta: Any = parse_lora_tensors(tensors, extra).weights[name]
    assert delta.scale == expected


def test_every_layer_has_its_own_alpha_and_rank() -> None:
    tensors = {}
    for name, rank, alpha in (("one", 4, 4.0), ("two", 2, 1.0), ("three", 8, 16.0)):
        tensors[f"lora_unet_{name}.lora_down.weight"] = torch.ones(rank, 6)
        tensors[f"lora_unet_{name}.lora_up.weight"] = torch.ones(5, rank)
        tensors[f"lora_unet_{name}.alpha"] = torch.tensor(alpha)
    weights: Any = parse_lora_tensors(tensors, {}).weights
    assert [delta.scale for delta in weights.values()] == [1.0, 0.5, 2.0]


def _delta(tensors: dict[str, torch.Tensor]) -> Delta:
    (delta,) = parse_lora_tensors(
        {f"lora_unet_a.{name}": each for name, each in tensors.items()}, {}
    ).weights.values()
    return delta


def test_dora_of_kohya_and_of_peft() -> None:
    lora = {"lora_down.weight": torch.randn(2, 6), "lora_up.weight": torch.randn(5, 2)}
    original, magnitude = torch.randn(5, 6), torch.rand(5)
    kohya = _delta({**lora, "dora_scale": magnitude.reshape(5, 1)})
    peft = _delta({**lora, "lora_magnitude_vector": magnitude})
    assert isinstance(kohya, Decomposed)
    assert torch.equal(kohya.change(original), peft.change(original))


def test_norms_and_biases_are_added(pipelines: dict[str, Any]) -> None:
    pipeline = pipelines["sd1"]
    norm = pipeline.unet.get_submodule("down_blocks.0.resnets.0.norm1")
    name = "lora_unet_down_blocks_0_resnets_0_norm1"
    tensors = {
        f"{name}.w_norm": torch.ones(norm.num_channels),
        f"{name}.b_norm": torch.ones(norm.num_channels),
    }
    placed = Layers(pipeline).place(parse_lora_tensors(tensors, {}))
    assert {each.attribute for each in placed.deltas} == {"weight", "bias"}
    assert not placed.unmatched


def test_bundled_embeddings_are_kept_apart(pipelines: dict[str, Any]) -> None:
    vectors = torch.randn(3, 32)
    tensors = {
        "bundle_emb.mine.string_to_param.*": vectors,
        "bundle_emb.other.clip_l": vectors,
        "bundle_emb.other.clip_g": vectors,
    }
    file = parse_lora_tensors(tensors, {})
    assert {name: set(each) for name, each in file.embeddings.items()} == {
        "mine": {"*"},
        "other": {"clip_l", "clip_g"},
    }
    assert not file.unknown


@pytest.mark.parametrize(
    "tensors",
    [
        {"lora_down.weight": torch.ones(4, 6)},
        {"lora_down.weight": torch.ones(4, 6), "lora_up.weight": torch.ones(5, 3)},
        {"lora_down.weight": torch.ones(()), "lora_up.weight": torch.ones(())},
        {"hada_w1_a": torch.ones(4, 2), "hada_w1_b": torch.ones(2, 4)},
        {"lokr_w1": torch.ones(4)},
        {"dora_scale": torch.ones(4)},
        {"lora_down.weight": torch.ones(0, 6), "lora_up.weight": torch.ones(5, 0)},
    ],
)
def test_tensors_that_do_not_go_together_are_unknown(tensors: dict[str, torch.Tensor]) -> None:
    file = parse_lora_tensors({f"lora_unet_a.{name}": each for name, each in tensors.items()}, {})
    assert file.unknown == ("lora_unet_a",)
    assert not file.weights


def test_layers_of_another_shape_or_name_are_unmatched(pipelines: dict[str, Any]) -> None:
    pipeline = pipelines["sd1"]
    layer = ("unet", "mid_block.attentions.0.transformer_blocks.0.attn1.to_q")
    values = {
        layer: Trained(torch.ones(8, 2), torch.ones(2, 8)),
        ("unet", "no.such"): Trained(torch.ones(8, 2), torch.ones(2, 8)),
    }
    placed = Layers(pipeline).place(parse_lora_tensors(tensors_of(pipeline, values), {}))
    assert not placed.deltas
    assert len(placed.unmatched) == placed.layers == 2


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    tensors = {
        "lora_unet_a.lora_down.weight": torch.full((2, 2), torch.nan),
        "lora_unet_a.lora_up.weight": torch.ones(2, 2),
    }
    file = tools.save_lora(tmp_path / "a.safetensors", tensors)
    with pytest.raises(ModelDamagedError, match=re.escape("values that are no numbers")):
        read_lora(file)
