"""The seams of a diffusers pipeline, at which its own call can be watched, answered and ended.

The call of every image pipeline goes through the same few methods: `encode_prompt`, `vae.encode`,
`prepare_latents`, the denoiser, `scheduler.step` and `vae.decode`. This is the only module that
replaces them, in the instances and only while a context is open.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

import torch

Method = Callable[..., Any]
Replacement = Callable[[Method], Method]
"""Takes the original method; returns the one that is called in its place."""

_DENOISERS = ("transformer", "unet", "unconditional_transformer")
"""Beginnings of the names of components that denoise."""


class Reached(BaseException):
    """Ends the call of a pipeline at a seam. Not an Exception, so that no library handles it."""

    def __init__(self, value: Any = None) -> None:
        super().__init__()
        self.value = value
        """What the pipeline gave to the seam."""


def ending(_: Method) -> Method:
    """Return a method that ends the call with its first argument."""

    def reached(value: Any = None, *_: Any, **__: Any) -> NoReturn:
        raise Reached(value)

    return reached


@contextmanager
def replaced(owner: Any, **replacements: Replacement) -> Iterator[None]:
    """Replace methods of one object by name while the context is open, as far as it has them."""
    before: dict[str, Any] = {}
    own = vars(owner) if owner is not None else {}
    try:
        for name, replace in replacements.items():
            original = getattr(owner, name, None)
            if original is not None:
                before[name] = own.get(name)
                # The signature stays that of the original: pipelines look at it.
                own[name] = functools.wraps(original)(replace(original))
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del own[name]
            else:
                own[name] = value


@contextmanager
def seams(
    pipeline: Any,
    *,
    of_pipeline: Mapping[str, Replacement] | None = None,
    of_scheduler: Mapping[str, Replacement] | None = None,
    of_vae: Mapping[str, Replacement] | None = None,
    before_denoiser: Callable[..., Any] | None = None,
) -> Iterator[None]:
    """Open a context in which methods of a pipeline, its scheduler and its VAE are replaced, and
    `before_denoiser` is called before each call of a denoiser, with the same arguments as a hook
    of torch."""
    with ExitStack() as stack:
        stack.enter_context(replaced(pipeline, **(of_pipeline or {})))
        scheduler, vae = (getattr(pipeline, name, None) for name in ("scheduler", "vae"))
        stack.enter_context(replaced(scheduler, **(of_scheduler or {})))
        stack.enter_context(replaced(vae, **(of_vae or {})))
        for denoiser in denoisers_of(pipeline):
            if before_denoiser is None:
                break
            handle = denoiser.register_forward_pre_hook(
                before_denoiser, prepend=True, with_kwargs=True
            )
            stack.callback(handle.remove)
        yield


def stop_at_denoiser(*_: Any) -> NoReturn:
    """End the call of a pipeline before its denoiser's first pass: for `before_denoiser`."""
    raise Reached


def is_denoiser(component: str) -> bool:
    """Return whether a component of this name denoises."""
    return component.startswith(_DENOISERS)


def denoisers_of(pipeline: Any) -> list[torch.nn.Module]:
    """Return the components that denoise: some pipelines have two."""
    parts: Mapping[str, Any] = pipeline.components
    return [
        part
        for name, part in parts.items()
        if is_denoiser(name) and isinstance(part, torch.nn.Module)
    ]


def computing_on(pipeline_class: type[Any], device: torch.device) -> type[Any]:
    """Return a subclass of a pipeline, of the same name, that computes on a device: the class
    itself asks one of its components, which may have no weights at the time."""
    return type(pipeline_class.__name__, (pipeline_class,), {"_execution_device": device})


def made_of_parts(pipeline_class: type[Any], pipeline: Any, device: torch.device) -> Any:
    """Return a pipeline of another class with the components and flags of `pipeline`, unchanged
    (diffusers' own `from_pipe` casts them to float32)."""
    expected, optional = pipeline_class._get_signature_keys(pipeline_class)
    parts = {name: getattr(pipeline, name, None) for name in expected}
    flags = {
        name: pipeline.config[name]
        for name in optional
        if name in pipeline.config and name not in parts
    }
    made = computing_on(pipeline_class, device)(**parts, **flags)
    made.set_progress_bar_config(disable=True)
    return made
