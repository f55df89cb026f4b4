"""The process of a captioner: `python -m sdtui.training.captioning`.

The first line of stdin is a CaptionRequest. Events go to stdout, a line of JSON each. The line
"stop", the end of stdin, SIGINT and SIGTERM stop it: captions until then are written.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading

from sdtui.core import paths, runtime
from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import SdtuiError
from sdtui.core.settings import load_settings
from sdtui.engine.library_setup import quiet_libraries
from sdtui.requests.training.captioning import CaptionEvent, CaptioningFailed, CaptionRequest
from sdtui.training.captioning.run import write_captions

_log = logging.getLogger(__name__)


def main() -> int:
    """Write captions; return the exit code."""
    request = CaptionRequest.model_validate_json(sys.stdin.readline())
    logging.basicConfig(level=logging.INFO, filename=paths.log_file())
    logging.captureWarnings(capture=True)
    quiet_libraries()
    cancellation = Cancellation()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: cancellation.stop_now())
    threading.Thread(target=_wait_for_end, args=(cancellation,), daemon=True).start()
    try:
        write_captions(request, load_settings(), _report, cancellation)
    except SdtuiError as error:
        _log.error("captions can't be written", exc_info=error)
        _report(CaptioningFailed(error=str(error), error_type=type(error).__name__))
        return 1
    return 0


def _report(event: CaptionEvent) -> None:
    sys.stdout.write(f"{event.model_dump_json()}\n")
    sys.stdout.flush()


def _wait_for_end(cancellation: Cancellation) -> None:
    """Cancel when a line comes, or when whoever asked has ended."""
    sys.stdin.readline()
    cancellation.stop_now()


if __name__ == "__main__":
    runtime.leave(main())
