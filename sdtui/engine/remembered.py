"""The results of a pipeline's encoders, kept on the CPU for calls with the same arguments."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

import torch
from PIL import Image

Method = Callable[..., Any]

_PLAIN = (str, int, float, bool, type(None), torch.dtype, torch.device)


class Remembered:
    """Answers calls of encoders that were made before."""

    def __init__(self) -> None:
        self._results: dict[Hashable, Any] = {}

    @property
    def nbytes(self) -> int:
        """The bytes of all results."""
        tensors = (each for result in self._results.values() for each in _tensors(result))
        return sum(each.nbytes for each in tensors)

    def answering(self, device: torch.device, *others: Remembered) -> Callable[[Method], Method]:
        """Return a function that replaces an encoder's method by one that answers on `device` what
        is known here or by `others`, and remembers here what isn't."""

        def replace(original: Method) -> Method:
            def answer(*args: Any, **kwargs: Any) -> Any:
                key = _key((original.__name__, args, kwargs))
                if key is None:
                    return original(*args, **kwargs)
                for each in (self, *others):
                    if key in each._results:
                        return _moved(each._results[key], device)
                result = original(*args, **kwargs)
                self._results[key] = _moved(result, torch.device("cpu"))
                return result

            return answer

        return replace


def _key(value: Any) -> Hashable | None:
    """Return what tells arguments apart, by their contents; None if some can't be compared."""
    try:
        return content_of(value)
    except TypeError:
        return None


def content_of(value: Any) -> Hashable:
    """Return a hashable value that tells what encoders are given apart, by its contents. Raises
    TypeError for values of other kinds."""
    if isinstance(value, _PLAIN):
        return type(value).__name__, value
    if isinstance(value, torch.Tensor):
        raw = value.detach().to("cpu").contiguous().view(-1).view(torch.uint8)
        return str(value.dtype), tuple(value.shape), hashlib.sha256(raw.numpy().data).digest()
    if isinstance(value, Image.Image):
        return value.mode, value.size, hashlib.sha256(value.tobytes()).digest()
    if isinstance(value, Mapping):
        return tuple((name, content_of(each)) for name, each in sorted(value.items()))
    if isinstance(value, tuple | list):
        return tuple(content_of(each) for each in value)
    raise TypeError(f"{type(value).__name__} can't be compared")


def _moved(value: Any, device: torch.device) -> Any:
    """Return the result of an encoder, a tree of tensors, on a device."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, dict):  # also the outputs of diffusers and transformers
        return type(value)(**{name: _moved(each, device) for name, each in value.items()})
    if isinstance(value, tuple | list):
        return type(value)(_moved(each, device) for each in value)
    if not hasattr(value, "__dict__") or not any(True for _ in _tensors(value)):
        return value
    moved = copy.copy(value)  # such as the posterior of a VAE
    vars(moved).update({name: _moved(each, device) for name, each in vars(value).items()})
    return moved


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors of an encoder's result."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _tensors(each)
    elif hasattr(value, "__dict__"):
        for each in vars(value).values():
            if isinstance(each, torch.Tensor):
                yield each
