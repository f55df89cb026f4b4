"""What an axis of a grid can change in the prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

from sdtui.core.enums import PromptSyntax
from sdtui.core.prompt_syntax.tags import read_tags
from sdtui.core.prompt_tags import parse_lora, weigh_tags
from sdtui.core.text import shortened
from sdtui.requests.grids.axis_kind import AxisKind
from sdtui.requests.grids.values import MAX_VALUES, joined_values, number_values, split_values


@dataclass(frozen=True)
class ReplaceKind(AxisKind):
    """The first value, which the prompts have to contain, is replaced by each."""

    def values(self, text: str, request: Mapping[str, Any]) -> list[str]:
        found = split_values(text)
        if not found[0]:
            raise ValueError("needs the words to replace as its first value")
        if not any(found[0] in request[name] for name in ("prompt", "negative_prompt")):
            words = shortened(found[0])
            raise ValueError(f'"{words}" is neither in the prompt nor in the negative prompt')
        return found

    def apply(self, values: Mapping[str, Any], value: str, first: str) -> dict[str, Any]:
        names = ("prompt", "negative_prompt")
        return {name: values[name].replace(first, value) for name in names}

    def caption(self, value: str) -> str:
        return value


@dataclass(frozen=True)
class OrderKind(AxisKind):
    """Words of the prompt in each of their orders. A value is a line of CSV."""

    def values(self, text: str, request: Mapping[str, Any]) -> list[str]:
        words = split_values(text)
        for word in words:
            if not word or word not in request["prompt"]:
                raise ValueError(f'"{shortened(word)}" is not in the prompt')
        count = 1
        for number in range(2, len(words) + 1):
            count *= number
            if count > MAX_VALUES:
                raise ValueError(f"{len(words)} words have more than {MAX_VALUES:,} orders")
        return [joined_values(list(each)) for each in permutations(words)]

    def apply(self, values: Mapping[str, Any], value: str, first: str) -> dict[str, Any]:
        """Put the words at the places where any of them stands, in the order of `value`."""
        prompt: str = values["prompt"]
        wanted = split_values(value)
        parts: list[str] = []
        for word in sorted(wanted, key=prompt.find):
            before, found, after = prompt.partition(word)
            if found:
                parts.append(before)
                prompt = after
        ordered = "".join(f"{part}{word}" for part, word in zip(parts, wanted, strict=False))
        return {"prompt": ordered + prompt}

    def caption(self, value: str) -> str:
        return ", ".join(split_values(value))


@dataclass(frozen=True)
class MatrixKind(AxisKind):
    """Every combination of some texts is added to the prompt, as by A1111's "Prompt matrix". A
    value is a line of CSV."""

    prompt: str = "prompt"
    """The field: that or negative_prompt."""
    separator: str = ", "
    before: str | None = None
    """The end of the prompt that the texts are put before; None = they are appended."""

    def values(self, text: str, request: Mapping[str, Any]) -> list[str]:
        texts = [each for each in split_values(text) if each]
        if 2 ** len(texts) > MAX_VALUES:
            raise ValueError(f"{len(texts)} texts have more than {MAX_VALUES:,} combinations")
        return [
            joined_values([each for bit, each in enumerate(texts) if number >> bit & 1])
            for number in range(2 ** len(texts))
        ]

    def apply(self, values: Mapping[str, Any], value: str, first: str) -> dict[str, Any]:
        texts, prompt = split_values(value), values[self.prompt]
        if self.before is None:
            parts = [prompt, *texts]
        else:
            head = prompt.removesuffix(self.before).removesuffix(self.separator)
            parts = [head, *texts, self.before]
        return {self.prompt: self.separator.join(part for part in parts if part)}

    def caption(self, value: str) -> str:
        return ", ".join(split_values(value))


@dataclass(frozen=True)
class LoraWeightKind(AxisKind):
    """The weight of all LoRAs of a request, for text encoders and denoiser."""

    def values(self, text: str, request: Mapping[str, Any]) -> list[str]:
        tagged = read_tags(request["prompt"], request["prompt_syntax"])
        if not (request["loras"] or tagged.loras):
            raise ValueError("needs a LoRA in the prompt or among the LoRAs")
        return number_values(text, float)

    def apply(self, values: Mapping[str, Any], value: str, first: str) -> dict[str, Any]:
        try:
            weight = float(value)
        except ValueError as error:
            raise ValueError(f"must be a number, not {shortened(value)}") from error
        uses = (replace(parse_lora(each), te=weight, unet=weight) for each in values["loras"])
        changes: dict[str, Any] = {"loras": tuple(map(str, uses))}
        if values["prompt_syntax"] is PromptSyntax.A1111:  # in plain prompts, tags are text
            changes["prompt"] = weigh_tags(values["prompt"], weight)
        return changes
