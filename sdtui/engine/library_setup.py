"""Settings of torch and of the libraries around it that have to be made before their first use."""

from __future__ import annotations

import threading


def quiet_libraries() -> None:
    """Turn off every progress bar of diffusers, transformers and huggingface_hub, and let their
    loggers pass messages on to the root logger instead of writing to stderr."""
    import diffusers.utils.logging as diffusers_logging
    import tqdm.auto
    import transformers.utils.logging as transformers_logging
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    # A multiprocessing lock can't be made while a full-screen app holds stderr
    # (huggingface_hub#4065); a lock between threads is all that is needed.
    tqdm.auto.tqdm.set_lock(threading.RLock())
    for library in (diffusers_logging, transformers_logging):
        library.disable_progress_bar()
        library.disable_default_handler()
        library.enable_propagation()
