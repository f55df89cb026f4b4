"""Files of embeddings."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file


def make_embedding(file: Path, *widths: int, vectors: int = 2, seed: int = 0) -> Path:
    """Save an embedding: one width in the format of kohya and A1111, two in that of SDXL."""
    torch.manual_seed(seed)
    keys = ["emb_params"] if len(widths) == 1 else ["clip_l", "clip_g"]
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {key: torch.randn(vectors, width) for key, width in zip(keys, widths, strict=True)}, file
    )
    return file
