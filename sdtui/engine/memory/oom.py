"""Recognising out-of-memory errors."""

from __future__ import annotations

import errno

import torch

OOM_CANDIDATES = (RuntimeError, MemoryError, OSError)
"""Classes of errors that may mean out-of-memory; `is_out_of_memory` decides."""

_CUDA_MEMORY_ALLOCATION = 2  # cudaErrorMemoryAllocation

# oneDNN gives no reason; nearly always it could not allocate its scratch pad or generated code.
_ONEDNN_WITHOUT_REASON = ("could not create a primitive", "could not execute a primitive")

# cuBLAS and cuDNN allocate outside torch's allocator and report it as a plain RuntimeError
# (pytorch#128601); so does the CPU allocator.
_MESSAGES = (
    "out of memory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "defaultcpuallocator",
    "not enough memory",
    "cannot allocate memory",
    "std::bad_alloc",
    "could not create a memory object",
    *_ONEDNN_WITHOUT_REASON,
    "unable to mmap",
    "can't start new thread",
)


def is_out_of_memory(error: BaseException) -> bool:
    """True if an error means out-of-memory, by its class, code and message."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM or "os error 12" in str(error)
    accelerator_error = getattr(torch, "AcceleratorError", None)  # torch >= 2.8
    if accelerator_error is not None and isinstance(error, accelerator_error):
        code = getattr(error, "error_code", None)
        return code == _CUDA_MEMORY_ALLOCATION or "out of memory" in str(error).lower()
    if isinstance(error, RuntimeError):
        text = str(error).lower()
        return any(message in text for message in _MESSAGES)
    return False
