"""The `sdtui` command: the app, or what is asked for, and every error as one line."""

from __future__ import annotations

import logging
import sys

from sdtui.cli.codes import INTERRUPTED
from sdtui.core.errors import SdtuiError
from sdtui.core.text import one_line


def main() -> None:
    """Run the command line and leave the process: 0 done, 1 failed, 2 wrong usage, 130
    interrupted. A traceback goes to the log file, never to the terminal."""
    try:
        code = _run()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SdtuiError as error:
        logging.getLogger(__name__).info("failed", exc_info=error)
        sys.stderr.write(f"sdtui: {one_line(str(error))}\n")
        code = error.exit_code
    except BrokenPipeError:
        sys.stderr.close()  # nobody reads any more; nothing to complain about
        code = 1
    sys.exit(code)


def _run() -> int:
    if len(sys.argv) == 1:  # the app doesn't wait for what reads command lines
        from sdtui.cli.app import open_app

        return open_app()
    from sdtui.cli.commands import run_command

    return run_command()
