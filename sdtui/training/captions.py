"""What is changed in captions each time that a picture is shown."""

from __future__ import annotations

from random import Random

from sdtui.requests.training.data import TrainingData


def shown_caption(caption: str, data: TrainingData, random: Random) -> str:
    """Return a caption as it is shown once: its tags shuffled behind the first `keep_tokens`, or
    "" as often as the dropout says."""
    if data.caption_dropout_rate and random.random() < data.caption_dropout_rate:
        return ""
    if not data.shuffle_caption:
        return caption
    tags = [tag.strip() for tag in caption.split(",") if tag.strip()]
    kept, others = tags[: data.keep_tokens], tags[data.keep_tokens :]
    random.shuffle(others)
    return ", ".join([*kept, *others])
