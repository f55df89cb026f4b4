"""The dtype of training."""

import torch


def autocast(device: str = "cpu") -> torch.autocast:
    """bfloat16, except on a CPU that only emulates it, where it is far slower than float32."""
    capabilities = torch.cpu.get_capabilities()
    native = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return torch.autocast(device, torch.bfloat16, enabled=native or device != "cpu")
