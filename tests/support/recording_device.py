"""A stand-in for an accelerator that computes on the CPU. It refuses to compute with tensors of
different devices, and records every call that would make the program wait for it: reading a value,
and copying from the device without `non_blocking`."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Self

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

RECORDED = torch.device("lazy")
"""Torch knows this type of device and has no implementation for it."""

_COPIES = ("aten::_to_copy", "aten::copy_")
_WITH_INDICES = ("aten::index.Tensor", "aten::index_put_", "aten::_index_put_impl_")
"""Take indices from the CPU, and wait for their copy."""
_TAKE_BOTH = frozenset((*_COPIES, *_WITH_INDICES))
_READS = ("aten::_local_scalar_dense", "aten::nonzero", "aten::equal", "aten::masked_select")


class _OnDevice(torch.Tensor):
    """A tensor that claims to be on RECORDED; `held` is the real one, on the CPU."""

    held: torch.Tensor

    def __new__(cls, tensor: torch.Tensor, requires_grad: bool = False) -> Any:
        """Return a parameter: accelerate makes new ones by the class of the old."""
        return torch.nn.Parameter(tensor, requires_grad=requires_grad)

    @staticmethod
    def of(held: torch.Tensor) -> _OnDevice:
        """Return the tensor for a real one."""
        tensor: _OnDevice = torch.Tensor._make_wrapper_subclass(
            _OnDevice,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=RECORDED,
            requires_grad=False,
        )
        tensor.held = held
        return tensor

    @classmethod
    def __torch_dispatch__(cls, func: Any, *_: Any) -> Any:
        raise AssertionError(f"{func} was called outside of RecordingDevice")


class _PythonNumbers(TorchFunctionMode):
    """Converts between tensors and Python's numbers on the CPU: on RECORDED, torch would do it
    where no dispatch mode sees it."""

    def __torch_function__(
        self, function: Any, _: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if function == _SET_DATA:
            return _set_data(*args)
        if function is torch.Tensor.pin_memory:
            return args[0].clone()
        if function is torch.Tensor.is_pinned:
            return False
        if function is torch.Tensor.__getitem__ and isinstance(args[0], _OnDevice):
            return function(args[0], _with_tensors(args[1]))
        if function is torch.Tensor.tolist:
            return function(args[0].cpu())
        if function is torch.tensor and _is_recorded(kwargs.get("device")):
            del kwargs["device"]
            return torch.tensor(*args, **kwargs).to(RECORDED, non_blocking=True)
        return function(*args, **kwargs)


def _is_recorded(device: Any) -> bool:
    """True for RECORDED with a number too, as accelerate's hooks name it."""
    return device is not None and torch.device(device).type == RECORDED.type


_SET_DATA = torch.Tensor.data.__set__  # type: ignore[attr-defined]


def _set_data(tensor: torch.Tensor, value: torch.Tensor) -> None:
    """Set a tensor's data to a value that may be on another device, which torch refuses here."""
    value = value.detach()
    if isinstance(tensor, torch.nn.Parameter):
        value = torch.nn.Parameter(value, requires_grad=tensor.requires_grad)
    torch.utils.swap_tensors(tensor, value)


class RecordingDevice(TorchDispatchMode):
    """Gives RECORDED a meaning as long as the context is open."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._numbers = _PythonNumbers()
        self.waits: list[str] = []
        """The calls that would wait, with the lines of the project and the libraries they come
        from."""

    def __enter__(self) -> Self:
        self._numbers.__enter__()  # type: ignore[no-untyped-call]
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self._numbers.__exit__(*error)  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self,
        function: Any,
        _: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        tensors = _tensors((*args, *kwargs.values()))
        is_touched = any(isinstance(each, _OnDevice) for each in tensors)
        target = kwargs.get("device")
        is_created_there = target is not None and torch.device(target).type == RECORDED.type
        if is_created_there:
            kwargs["device"] = torch.device("cpu")
        name = function.name()
        if is_touched and name not in _TAKE_BOTH:
            _check_same_device(name, tensors)
        leaves = target is not None and not is_created_there
        crosses = is_touched == leaves and target is not None
        if (is_touched or crosses) and self._waits(name, args, kwargs, crosses=crosses):
            self.waits.append(f"{name} at {_origin()}")
        if is_touched:
            held = [_mapped(_held, each) for each in args]
            result = function(*held, **{key: _mapped(_held, kwargs[key]) for key in kwargs})
        else:
            result = function(*args, **kwargs)
        if name.endswith("_"):
            return args[0]
        stays = is_created_there or (is_touched and not leaves)
        return _mapped(_wrapped, result) if stays else result

    @staticmethod
    def _waits(name: str, args: Sequence[Any], kwargs: Mapping[str, Any], *, crosses: bool) -> bool:
        if name in _READS:
            return True
        if name == "aten::_to_copy":
            return crosses and not kwargs.get("non_blocking")
        if name == "aten::copy_":
            non_blocking = len(args) > 2 and args[2]
            ends = [isinstance(each, _OnDevice) for each in args[:2]]
            return ends[0] != ends[1] and not non_blocking
        return False


def _with_tensors(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(_with_tensors(each) for each in index)
    return torch.tensor(index) if isinstance(index, list) else index


def _check_same_device(name: str, tensors: list[torch.Tensor]) -> None:
    """Raise what CUDA raises for tensors on the CPU; a single value may be there."""
    for each in tensors:
        if not isinstance(each, _OnDevice) and each.dim() > 0:
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but {name} got one on cpu, at "
                f"{_origin()}"
            )


# Torch's own functions for trees take most of a test's time.


def _tensors(values: Iterable[Any]) -> list[torch.Tensor]:
    """Return the tensors among the values, and in lists and tuples among them."""
    found = []
    for each in values:
        if isinstance(each, torch.Tensor):
            found.append(each)
        elif isinstance(each, list | tuple):
            found += _tensors(each)
    return found


def _mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """Return a value, or what a list or tuple of values holds, changed."""
    if isinstance(value, list):
        return [_mapped(change, each) for each in value]
    if isinstance(value, tuple):
        return tuple(_mapped(change, each) for each in value)
    return change(value)


def _held(value: Any) -> Any:
    return value.held if isinstance(value, _OnDevice) else value


def _wrapped(value: Any) -> Any:
    return _OnDevice.of(value) if isinstance(value, torch.Tensor) else value


def _origin() -> str:
    """Return the lines that led to a call, from the innermost on, without those of torch."""
    frames = (
        f"{frame.f_code.co_filename}:{line}"
        for frame, line in traceback.walk_stack(inspect.currentframe())
        if "/torch/" not in frame.f_code.co_filename
    )
    return " < ".join(islice(frames, 2, 5))
