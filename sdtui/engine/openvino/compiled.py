"""Models that OpenVINO has compiled for the CPU."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from sdtui.engine.threads import most_threads

_POLL_MILLISECONDS = 50
"""Between two checks whether to stop."""
_PRECISIONS = {torch.bfloat16: "bf16", torch.float16: "f16", torch.float32: "f32"}


def _threads() -> int:
    first, _, _ = os.environ.get("OMP_NUM_THREADS", "").partition(",")
    return int(first) if first.isdecimal() else most_threads()


class Compiled:
    """A compiled model, for tensors of any size."""

    def __init__(self, model: Any, dtype: torch.dtype) -> None:
        """`dtype` is what it computes in, where the CPU can."""
        import openvino

        options = {
            "INFERENCE_PRECISION_HINT": _PRECISIONS[dtype],
            "INFERENCE_NUM_THREADS": _threads(),
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # torch's threads compute on the same cores in between
        }
        self._request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()

    def __call__(self, inputs: Sequence[Tensor], check: Callable[[], None]) -> list[Tensor]:
        """Return the results in float32. `check` is called all the time, and may raise to stop."""
        arrays = [each.float().contiguous().numpy() for each in inputs]
        self._request.start_async(dict(enumerate(arrays)), share_inputs=True)
        try:
            while not self._request.wait_for(_POLL_MILLISECONDS):
                check()
        except BaseException:
            self._stop()
            raise
        results: list[Any] = self._request.model_outputs
        return [torch.tensor(self._request.get_tensor(each).data) for each in results]

    def _stop(self) -> None:
        """Stop computing, and wait until it has."""
        self._request.cancel()
        try:
            self._request.wait()
        except RuntimeError:  # that it was cancelled
            return
