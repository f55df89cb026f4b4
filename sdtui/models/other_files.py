"""Recognise files that aren't models, by their first bytes or the names of their tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from sdtui.core.errors import UnsupportedModelError

_BEGINNINGS = (
    # Bytes, what the file is, and how to get the model.
    (b"version https://git-lfs", "it is a pointer of Git LFS to the model", "Run: git lfs pull"),
    (b"<", "it is a web page", "Download it again; the site may want you to log in"),
    (b"{", "it is an answer of a web site", "Download it again; the site may want you to log in"),
    (b"GGUF", "it is a GGUF file", "Get the .safetensors version of this model"),
    (b"PK\x03\x04", "it is a pickle file", "Get the .safetensors version of this model"),
    (b"\x80", "it is a pickle file", "Get the .safetensors version of this model"),
)

_KINDS = (
    # What a file holds, by the name of any of its tensors; the first that fits.
    ("a LoRA", r"lora_|\.lora\.|\.hada_w|\.lokr_w|\.oft_|\.dora_scale|\.diff$"),
    ("an IP-Adapter", r"^ip_adapter\.|^image_proj\."),
    ("a ControlNet", r"^control_model\.|controlnet_|input_hint_block|zero_convs"),
    ("a motion module", r"motion_modules\."),
    ("a textual inversion", r"^emb_params$|^clip_[gl]$|^string_to_param|^<.*>$"),
    ("an upscaler", r"^model\.\d+\.(sub|weight|bias)|^conv_first\.|^body\.\d+\.(rdb|weight|bias)"),
    ("a model of the Flux family", r"(double|single)_blocks\.\d+\."),
    ("a model of the SD 3 family", r"joint_blocks\.\d+\."),
    ("a text encoder", r"^(text_model|text_encoder|encoder\.block|model\.layers)\b"),
    ("a VAE", r"^(encoder|decoder)\.(conv_in|conv1|down|up|mid)|^quant_conv\."),
    ("a U-Net alone", r"^(down_blocks|up_blocks|mid_block|input_blocks)\."),
    ("a model of another family", r"(^|\.)(transformer_blocks|layers|blocks|noise_refiner)\.\d+\."),
)


_PIECE = re.compile(r"-(\d{5})-of-(\d{5})\.(gguf|safetensors)$", re.IGNORECASE)


def check_not_split(path: Path) -> None:
    """Raise UnsupportedModelError for a file whose name says that it is one of several pieces."""
    piece = _PIECE.search(path.name)
    if piece is None or int(piece[2]) < 2:
        return
    hint = "Get it as one file, or give the folder of the whole model, with a model_index.json"
    if piece[3].lower() == "gguf":
        hint = "Get it as one file, or join them: llama-gguf-split --merge FIRST_PIECE OUT.gguf"
    raise UnsupportedModelError(
        f"{path} is piece {int(piece[1])} of the {int(piece[2])} that a model was split into", hint
    )


def recognised_beginning(first_bytes: bytes) -> tuple[str, str] | None:
    """Return what a file is that isn't a safetensors file, and how to get the model; None if it
    isn't known."""
    if not first_bytes:
        return "it is empty", "Download or copy it again"
    for beginning, what, hint in _BEGINNINGS:
        if first_bytes.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(beginning):
            return what, hint
    return None


def recognised_tensors(names: Iterable[str]) -> str | None:
    """Return what a file holds that isn't a checkpoint of Stable Diffusion, by the names of its
    tensors; None if it isn't known."""
    names = list(names)
    for kind, pattern in _KINDS:
        if any(re.search(pattern, name) for name in names):
            return kind
    return None
