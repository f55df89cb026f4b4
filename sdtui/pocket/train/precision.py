"""The dtype of training."""

import torch


def autocast() -> torch.autocast:
    """bfloat16 if the CPU computes in it, else float32, as emulated bfloat16 is far slower."""
    capabilities = torch.cpu.get_capabilities()
    native = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return torch.autocast("cpu", torch.bfloat16, enabled=native)
