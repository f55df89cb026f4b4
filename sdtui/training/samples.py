"""Sample pictures during a training, by the engine with the LoRA as it is now."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sdtui.core.errors import CancelledError, SdtuiError
from sdtui.engine.generator import generate
from sdtui.engine.lora.layers import TEXT_ENCODERS
from sdtui.requests.request import nth_seed
from sdtui.requests.training.events import Notice, Sample
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
        self._folder = session.folder / "samples"
        self._report = session.report
        self._control = session.control

    def make(self, step: int) -> None:
        """Make a picture of each prompt after a step. One that fails is no reason to end the
        training."""
        prompts = self._request.output.validation_prompts
        if not prompts:
            return
        with self._encoders_on_device():
            for number, prompt in enumerate(prompts):
                try:
                    self._make_one(number, prompt, step)
                except CancelledError:
                    return
                except SdtuiError as error:
                    _log.info("sample %s failed", number, exc_info=error)
                    self._report(Notice(text=f"No sample of step {step}: {error}"))

    def _make_one(self, number: int, prompt: str, step: int) -> None:
        self._control.cancellation.check()
        self._model.embeddings.clear()  # text encoders may have been trained since
        seed = nth_seed(self._request.seed, number)
        request = self._session.picture_request(prompt, seed)
        image = generate(self._engine, request, cancellation=self._control.cancellation).images[0]
        path = self._folder / f"{step:06}-{number}.png"
        path.parent.mkdir(exist_ok=True)
        image.save(path)
        self._report(Sample(step=step, number=number, prompt=prompt, path=str(path)))

    def rest_encoders(self) -> None:
        """Take modules off the device that the steps don't need."""
        if self._engine.device.has_own_memory:
            for module in self._resting():
                module.to("cpu")
            self._engine.device.release()

    @contextmanager
    def _encoders_on_device(self) -> Iterator[None]:
        for module in self._resting():
            module.to(self._engine.device.torch)
        try:
            yield
        finally:
            self.rest_encoders()

    def _resting(self) -> list[Any]:
        """Return the VAE, and the text encoders unless the steps need them."""
        pipeline = self._model.pipeline
        encodes = self._request.network.train_text_encoder or self._request.data.shuffle_caption
        encoders = [] if encodes else [getattr(pipeline, name, None) for name in TEXT_ENCODERS]
        return [each for each in (pipeline.vae, *encoders) if each is not None]
