"""The pictures of the class that the model must not forget, made with the model before it learns.

The class prompt may have alternatives and wildcards, as prompts have: the more different the
pictures are, the less is forgotten. Each picture has its own caption beside it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import count, tee
from pathlib import Path

from sdtui.core.dynamic_prompts.expansion import expand
from sdtui.core.dynamic_prompts.parser import is_dynamic
from sdtui.core.errors import TrainingError
from sdtui.core.files import write_atomic
from sdtui.engine.generator import generate
from sdtui.models import WildcardFiles
from sdtui.requests.request import nth_seed
from sdtui.requests.training.events import Notice, Preparing
from sdtui.requests.training.request import TrainingRequest
from sdtui.training.dataset import Dataset, read_dataset
from sdtui.training.session import TrainingSession


def read_pictures(request: TrainingRequest, folder: Path) -> Dataset:
    """Return the pictures of a training, whose own folder is `folder`. Raises TrainingError."""
    data = request.data
    dataset = read_dataset(
        request.instance_data_dir,
        data.instance_prompt,
        _class_folder(request, folder),
        "" if is_dynamic(data.class_prompt) else data.class_prompt,
    )
    if data.class_data_dir and not (data.class_prompt or dataset.class_pictures):
        raise TrainingError(
            f"there are no class pictures in {data.class_data_dir}",
            "Put some there, or add a --class-prompt to make them",
        )
    return dataset


def _class_folder(request: TrainingRequest, folder: Path) -> Path | None:
    """Return the folder of class pictures; None if there are none but those beside the others."""
    made = folder / "class" if request.data.class_prompt else None
    return request.data.class_data_dir or made


def make_class_pictures(session: TrainingSession, dataset: Dataset) -> None:
    """Make the pictures of the class that are missing. Raises CancelledError, OutOfMemoryError and
    OSError."""
    data = session.request.data
    missing = data.num_class_images - len(dataset.class_pictures)
    folder = _class_folder(session.request, session.folder)
    if not data.class_prompt or folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    prompts = _prompts(session)
    done = 0
    while done < missing:
        seed, prompt = next(prompts)
        path = folder / f"class-{seed}.png"
        if not path.exists():
            session.report(Preparing(what="class pictures", done=done, total=missing))
            _write_picture(session, prompt, seed, path)
            done += 1


def _prompts(session: TrainingSession) -> Iterator[tuple[int, str]]:
    """Yield the seeds of pictures without end, and what the class prompt becomes with them."""
    prompt = session.request.data.class_prompt
    wildcards = WildcardFiles(session.engine.settings)
    seeds, those = tee(nth_seed(session.request.seed, number) for number in count())
    reported: set[str] = set()
    for seed, expansion in zip(seeds, expand((prompt,), wildcards, those), strict=False):
        for notice in expansion.notices:
            if notice not in reported:
                session.report(Notice(text=f"Of the class prompt: {notice}"))
        reported.update(expansion.notices)
        yield seed, expansion.texts[0]


def _write_picture(session: TrainingSession, prompt: str, seed: int, path: Path) -> None:
    """Make a picture and write it with its caption."""
    request = session.picture_request(prompt, seed)
    cancellation = session.control.cancellation
    image = generate(session.engine, request, cancellation=cancellation).images[0]
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    write_atomic(path.with_suffix(".txt"), prompt.encode())
    write_atomic(path, buffer.getvalue())
