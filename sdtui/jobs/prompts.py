"""The prompts of a job's pictures: styles and dynamic prompts are worked out before it waits."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sdtui.core.dynamic_prompts.expansion import Wildcards, expand
from sdtui.core.dynamic_prompts.parser import is_dynamic
from sdtui.core.enums import DynamicPrompts
from sdtui.core.text import counted
from sdtui.requests.request import GenerationRequest, nth_seed
from sdtui.requests.styles import Style, apply_styles

MOST_PICTURES = 64
"""Of one job, also with all combinations."""


@dataclass(frozen=True)
class PicturePrompts:
    """What a picture is made from."""

    prompt: str
    negative_prompt: str = ""


@dataclass(frozen=True)
class ResolvedPrompts:
    """A request and the prompts of its pictures."""

    request: GenerationRequest
    """With its seed, and with as many pictures as there are prompts."""
    prompts: tuple[PicturePrompts, ...] = ()
    """One for each picture; none if they all have the request's."""
    notices: tuple[str, ...] = ()
    """What the user should know about them."""


@dataclass(frozen=True)
class PromptNames:
    """What prompts can name."""

    loras: tuple[str, ...] = ()
    embeddings: tuple[str, ...] = ()
    wildcards: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()


def one_combination(request: GenerationRequest) -> GenerationRequest:
    """Return the request with prompts by chance where it asks for all combinations: the number of
    its pictures is fixed."""
    templates = request.templates
    if templates.dynamic_prompts is not DynamicPrompts.COMBINATORIAL:
        return request
    return replace(request, templates=replace(templates, dynamic_prompts=DynamicPrompts.RANDOM))


def resolve_prompts(
    request: GenerationRequest,
    find_styles: Callable[[Sequence[str]], Sequence[Style]],
    read_wildcards: Callable[[], Wildcards],
    *,
    most: int = MOST_PICTURES,
) -> ResolvedPrompts:
    """Return the prompts of a request's pictures. Of an open seed, one is drawn: they depend on it.

    With all combinations, there are at least as many pictures as combinations, but not more than
    `most`. Raises what `find_styles` raises.
    """
    if not request.has_templates:
        return ResolvedPrompts(request, notices=_literal_hires_prompts(request))
    request = request.with_seed()
    assert request.seed is not None
    styles = find_styles(request.templates.styles)
    texts = (
        apply_styles(request.prompt, (style.prompt for style in styles)),
        apply_styles(request.negative_prompt, (style.negative_prompt for style in styles)),
    )
    count = request.num_images_per_prompt
    if not (request.takes_dynamic_prompts and any(map(is_dynamic, texts))):
        prompts_of_all = (PicturePrompts(*texts),) * count
        return ResolvedPrompts(request, prompts_of_all, _literal_hires_prompts(request))
    is_combinatorial = request.templates.dynamic_prompts is DynamicPrompts.COMBINATORIAL
    varied = request.noise.variation_seed if request.noise.is_varied else None
    first = request.seed if varied is None else varied  # what counts up in a batch
    seeds = (nth_seed(first, number) for number in itertools.count())
    prompts: list[PicturePrompts] = []
    notices = dict.fromkeys(_literal_hires_prompts(request))
    were_all = not is_combinatorial
    for expansion in expand(texts, read_wildcards(), seeds, is_combinatorial=is_combinatorial):
        prompts.append(PicturePrompts(*expansion.texts))
        notices.update(dict.fromkeys(expansion.notices))
        were_all = were_all or expansion.is_last
        if len(prompts) >= max(count, most) or (were_all and len(prompts) >= count):
            break
    if not were_all:
        notices[f"there are more combinations than these {counted(len(prompts), 'picture')}"] = None
    request = replace(request, num_images_per_prompt=len(prompts))
    return ResolvedPrompts(request, tuple(prompts), tuple(notices))


def _literal_hires_prompts(request: GenerationRequest) -> tuple[str, ...]:
    """Return a message about what hires prompts would mean as the prompt; none if they have no
    alternatives."""
    hires = request.hires
    texts = () if hires is None else (hires.prompt, hires.negative_prompt)
    if not (request.takes_dynamic_prompts and any(map(is_dynamic, texts))):
        return ()
    return ("the prompts of hires are taken as they are written, with { } and __",)
