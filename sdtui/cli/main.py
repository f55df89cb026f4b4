"""The `sdtui` command: the app or a subcommand, with every error as one line."""

from __future__ import annotations

import logging
import os
import sys

from sdtui.cli.codes import INTERRUPTED
from sdtui.cli.output import standard_streams
from sdtui.core.errors import SdtuiError
from sdtui.core.text import one_line


def main() -> None:
    """Run the command line and leave the process: 0 done, 1 failed, 2 wrong usage, 130
    interrupted. A traceback goes to the log file, never to the terminal."""
    with standard_streams():
        try:
            code = _run()
            sys.stdout.flush()
        except KeyboardInterrupt:
            code = INTERRUPTED
        except SdtuiError as error:
            logging.getLogger(__name__).info("failed", exc_info=error)
            sys.stderr.write(f"sdtui: {one_line(str(error))}\n")
            code = error.exit_code
        except BrokenPipeError:
            code = 1  # nobody reads any more; nothing to complain about
    sys.exit(code)


def _run() -> int:
    is_completion = "_SDTUI_COMPLETE" in os.environ  # click's, for the shell
    is_app = len(sys.argv) == 1 or (len(sys.argv) == 3 and sys.argv[1] == "--connect")
    if is_app and not is_completion:  # the app starts without the command line's parser
        from sdtui.cli.app import open_app

        return open_app(*sys.argv[2:])
    from sdtui.cli.commands import run_command

    return run_command()
