"""Settings of torch and its libraries that must be made before their first use."""

from __future__ import annotations

import logging
import threading


def quiet_libraries() -> None:
    """Turn off the progress bars of diffusers, transformers and huggingface_hub, and let their
    loggers propagate to the root logger instead of writing to stderr."""
    import diffusers.utils.logging as diffusers_logging
    import tqdm.auto
    import transformers.utils.logging as transformers_logging
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    # A multiprocessing lock can't be created while a full-screen app holds stderr
    # (huggingface_hub#4065); a thread lock is enough.
    tqdm.auto.tqdm.set_lock(threading.RLock())
    for library in (diffusers_logging, transformers_logging):
        library.disable_progress_bar()
        library.disable_default_handler()
        library.enable_propagation()
    # Each guider of a pipeline in blocks says that guiders are experimental.
    logging.getLogger("diffusers.guiders.guider_utils").setLevel(logging.ERROR)
