"""Sample pictures during a training, by the engine with the LoRA as it is now."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sdtui.core.errors import CancelledError, SdtuiError
from sdtui.core.settings import Settings
from sdtui.core.text import shortened
from sdtui.engine.generator import generate
from sdtui.engine.lora.layers import TEXT_ENCODERS
from sdtui.history import MAX_TAG, History
from sdtui.models import find_lora, lora_folders
from sdtui.requests.record import GenerationRecord, LoraRecord
from sdtui.requests.request import nth_seed
from sdtui.requests.training.events import Notice, Sample
from sdtui.training.folder import TrainingFolder
from sdtui.training.out_of_memory import memory_errors
from sdtui.training.session import TrainingSession

_log = logging.getLogger(__name__)


class Samples:
    """Makes the sample pictures of a training. What only they need is off the device between
    them."""

    def __init__(self, session: TrainingSession) -> None:
        self._session = session
        self._request = session.request
        self._engine = session.engine
        self._model = session.model
        self._report = session.report
        self._control = session.control
        events = TrainingFolder(session.folder).events()
        self._made = {(each.step, each.number) for each in events if each.kind == "sample"}
        self._reported: set[str] = set()

    def make(self, step: int, lora: Path | None) -> None:
        """Make a picture of each prompt after a step and save it in the history, apart from those
        that were made before the training was interrupted. `lora` is the file that was written
        after this step. A picture that fails is no reason to end the training."""
        prompts = self._request.output.validation_prompts
        if not (prompts and self._session.processes.is_main):
            return
        for number, prompt in enumerate(prompts):
            if (step, number) in self._made:
                continue
            try:
                with self._encoders_on_device():
                    self._make_one(number, prompt, step, lora)
            except CancelledError:
                return
            except SdtuiError as error:
                _log.warning("the sample of step %s failed", step, exc_info=error)
                self._report_once(f'No samples of "{shortened(prompt)}": {error}')

    def _make_one(self, number: int, prompt: str, step: int, lora: Path | None) -> None:
        self._control.cancellation.check()
        self._model.embeddings.clear()  # text encoders may have been trained since
        seed = nth_seed(self._request.seed, number)
        request = self._session.picture_request(prompt, seed)
        result = generate(self._engine, request, cancellation=self._control.cancellation)
        settings, name = self._engine.settings, self._request.output_name
        record = sample_record(result.record, name, step, lora, settings)
        with History(settings.pictures) as history:
            path = history.save(result.images[0], record, 0).path
            history.tag(path, sample_tag(name))
        self._report(Sample(step=step, number=number, prompt=prompt, path=str(path)))

    def _report_once(self, text: str) -> None:
        if text not in self._reported:
            self._reported.add(text)
            self._report(Notice(text=text))

    def rest_encoders(self) -> None:
        """Take modules off the device that the steps don't need."""
        if self._engine.device.has_own_memory:
            for module in self._resting():
                module.to("cpu")
            self._engine.device.release()

    @contextmanager
    def _encoders_on_device(self) -> Iterator[None]:
        try:
            with memory_errors("loading what samples need"):
                for module in self._resting():
                    module.to(self._engine.device.torch)
            yield
        finally:
            self.rest_encoders()

    def _resting(self) -> list[Any]:
        """Return the VAE, and the text encoders unless the steps need them."""
        pipeline = self._model.pipeline
        encodes = self._request.network.train_text_encoder or self._request.data.shuffle_caption
        encoders = [] if encodes else [getattr(pipeline, name, None) for name in TEXT_ENCODERS]
        return [each for each in (pipeline.vae, *encoders) if each is not None]


def sample_record(
    record: GenerationRecord, name: str, step: int, lora: Path | None, settings: Settings
) -> GenerationRecord:
    """Return the record of a picture that the training `name` made after a step. With the file of
    the LoRA at that step, its prompt names that, so that others can be made like it."""
    notice = f"Made during the training {name}, after step {step}"
    record = record.model_copy(update={"notices": (*record.notices, notice)})
    if lora is None or record.settings is None:
        return record
    is_found = lora.parent.resolve() in (each.resolve() for each in lora_folders(settings))
    mention = lora.stem if is_found else str(lora)
    found = find_lora(str(lora), settings)
    used = LoraRecord(name=mention, autov2=found.autov2, autov3=found.autov3, te=1.0, unet=1.0)
    prompt = f"{record.prompt} <lora:{mention}:1>"
    return record.model_copy(
        update={
            "prompt": prompt,
            "request": record.request.changed(prompt=prompt),
            "settings": record.settings.model_copy(update={"lora_files": (used,)}),
        }
    )


def sample_tag(name: str) -> str:
    """Return the tag of the samples of a training: its name as one word."""
    return "-".join(name.split()).lstrip("-")[:MAX_TAG] or "training"
