"""The manual: one Markdown page a topic, for `sdtui docs`, the app's help and GitHub."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

TOPICS: Mapping[str, str] = {
    "app": "The app: panes, keys, changing keys, what survives a crash.",
    "generate": "Prompts, flags, image-to-image, many prompts, scripts.",
    "prompts": "LoRAs, weights, long prompts, AND, words that change by step.",
    "pictures": "From pictures to pictures: upscaling, masks, ControlNet, IP-Adapter.",
    "grids": "Grids of pictures over the values of up to three axes, and their sheets.",
    "training": "Train a LoRA from your own pictures.",
    "models": "Which models work, where they are found, downloads, native values.",
    "memory": "Memory modes, what models need, what happens when memory runs out.",
    "speed": "Speed presets, batches, benchmarks.",
    "history": "Saved pictures, search, tags, trash, pictures of other tools.",
    "server": "The HTTP server: its APIs, access, shutdown, metrics.",
    "agents": "Pictures for Claude, Cursor, Codex and other agents: tools by MCP.",
    "clients": "Programs that use the server: how each is set up, and what works.",
    "operating": "A server as a service: checking, TLS, logs, reloading, containers.",
    "remote": "An engine on another machine, and a daemon that outlives the terminal.",
    "many-gpus": "Several devices on one queue: what is seen, placement, lost workers.",
    "configuration": "The config file, environment variables, folders.",
    "architecture": "How the code is divided, and why.",
    "development": "Glossary, conventions, tests, adding features.",
    "changes": "What is different since the last version.",
}
"""Topic → what its page is about."""

_PAGE_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)[^)\s]+\)")


def page_file(topic: str) -> Path:
    """The Markdown file of a topic."""
    return Path(__file__).with_name(f"{topic}.md")


def read_page(topic: str) -> str:
    """The Markdown of a topic. Raises KeyError for an unknown one."""
    if topic not in TOPICS:
        raise KeyError(topic)
    return page_file(topic).read_text(encoding="utf-8")


def plain_links(page: str) -> str:
    """A page with the text alone of every link to a page or file: nothing in a terminal follows
    them."""
    return _PAGE_LINK.sub(r"\1", page)


def sections(page: str) -> Mapping[str, str]:
    """The parts of a page by the anchor of their heading, as GitHub makes it; what comes before the
    first one has an empty anchor."""
    parts = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    return {"": parts[0], **{_anchor(part.partition("\n")[0]): part for part in parts[1:]}}


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.removeprefix("## ").lower()).replace(" ", "-")
