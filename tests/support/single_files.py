"""Small checkpoints: the bundled configs with fewer channels and layers, and random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from sdtui.models.component_files import CONFIGS, describe_components

_TEXT = {"intermediate_size": 48, "num_attention_heads": 2, "num_hidden_layers": 3}
_VAE = {"block_out_channels": [8, 8, 16, 16], "norm_num_groups": 4, "sample_size": 64}
_UNET = {"norm_num_groups": 4, "sample_size": 8}
_SMALL: dict[str, dict[str, dict[str, Any]]] = {
    "sd1": {
        "unet": {
            "block_out_channels": [8, 8, 16, 16],
            "attention_head_dim": 4,
            "cross_attention_dim": 16,
        },
        "text_encoder": {"hidden_size": 16},
    },
    "sd2": {
        "unet": {
            "block_out_channels": [8, 8, 16, 16],
            "attention_head_dim": [1, 2, 2, 4],
            "cross_attention_dim": 16,
        },
        "text_encoder": {"hidden_size": 16},
    },
    # As in real models the text encoders differ in width, by which diffusers recognises them.
    "sdxl": {
        "unet": {
            "block_out_channels": [8, 8, 16],
            "attention_head_dim": [1, 2, 2],
            "cross_attention_dim": 40,
            "transformer_layers_per_block": [1, 1, 2],
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 6 * 8 + 24,
        },
        "text_encoder": {"hidden_size": 16},
        "text_encoder_2": {"hidden_size": 24, "projection_dim": 24},
    },
}
_SMALL["sdxl_refiner"] = {
    "unet": {
        "block_out_channels": [8, 8, 16, 16],
        "attention_head_dim": [1, 2, 2, 2],
        "cross_attention_dim": 24,
        "transformer_layers_per_block": 1,
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 5 * 8 + 24,
    },
    "text_encoder_2": _SMALL["sdxl"]["text_encoder_2"],
}
_FLAGS_OF_REFINERS = ("requires_aesthetics_score", "force_zeros_for_empty_prompt")
_COMMON: dict[str, dict[str, Any]] = {
    "unet": _UNET,
    "vae": _VAE,
    "text_encoder": _TEXT,
    "text_encoder_2": _TEXT,
}


def small_configs(family: str, folder: Path) -> Path:
    """Copy the configs of a family to `folder`, with fewer channels and layers."""
    shutil.copytree(CONFIGS / family, folder)
    for component, common in _COMMON.items():
        file = folder / component / "config.json"
        if file.is_file():
            own = _SMALL[family].get(component, {})
            file.write_text(json.dumps({**json.loads(file.read_text()), **common, **own}))
    return folder


def random_pipeline(configs: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> Any:
    """A pipeline with random weights for the configs in a folder, with CLIP's tokenizer."""
    torch.manual_seed(seed)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        parts = {
            name: _random_component(configs / name, library, class_name)
            for name, (library, class_name) in describe_components(configs).items()
        }
    finally:
        torch.set_default_dtype(before)
    index = json.loads((configs / "model_index.json").read_text())
    cls = getattr(diffusers, index["_class_name"])
    if index["_class_name"] == "StableDiffusionPipeline":
        parts |= {"safety_checker": None, "feature_extractor": None}
        parts["requires_safety_checker"] = False
    if index["_class_name"] == "StableDiffusionXLImg2ImgPipeline":  # SDXL's refiner
        parts |= {"text_encoder": None, "tokenizer": None}
        parts |= {name: index[name] for name in _FLAGS_OF_REFINERS}
    pipeline = cls(**parts)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _random_component(place: Path, library: str, class_name: str) -> Any:
    if "Tokenizer" in class_name:
        settings = json.loads((place / "tokenizer_config.json").read_text())
        folder = CONFIGS / "tokenizer"
        return transformers.CLIPTokenizer(
            vocab=str(folder / "vocab.json"),
            merges=str(folder / "merges.txt"),
            pad_token=settings["pad_token"],
            model_max_length=settings["model_max_length"],
        )
    if library == "diffusers":
        cls = getattr(diffusers, class_name)
        component = cls.from_config(cls.load_config(place))
    else:
        cls = getattr(transformers, class_name)
        component = cls(cls.config_class.from_pretrained(place))
    return component.eval() if isinstance(component, torch.nn.Module) else component
