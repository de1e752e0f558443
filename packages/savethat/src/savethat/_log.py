"""The logs of a run: ``output.log``, to be read by people, and ``output.jsonl``, by programs.

A run's files take the lines that are logged while it is going on, its nested runs' included. They
are opened and closed with the run, and leave every other handler as it is: a nested run cannot
steal its parent's log. Local variables are never written (loguru's ``diagnose``), for they hold
passwords and tokens.
"""

from __future__ import annotations

import sys
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from savethat._context import active_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from savethat._context import RunContext

LOG, LOG_LINES = "output.log", "output.jsonl"
FILE_FORMAT = "{time:YYYY-MM-DD HH:mm:ss.SSS} | {level: <8} | {name}:{function}:{line} - {message}"
STDERR_FORMAT = (
    "<green>{time:HH:mm:ss}</green> | <level>{level: <8}</level> | <level>{message}</level>"
)
_FILES_ONLY = "savethat_files_only"


@contextmanager
def log_to(run: RunContext) -> Iterator[None]:
    """Write what is logged during the block into the run's folder."""
    from loguru import logger

    def belongs(_: Any) -> bool:
        return run in active_runs()

    shared: dict[str, Any] = {
        "filter": belongs,
        "level": "DEBUG",
        "format": FILE_FORMAT,
        "backtrace": False,
        "diagnose": False,
        "colorize": False,
        "encoding": "utf-8",
    }
    handlers = [
        logger.add(run.folder / LOG, **shared),
        logger.add(run.folder / LOG_LINES, serialize=True, **shared),
    ]
    try:
        yield
    finally:
        for handler in handlers:
            logger.remove(handler)


def log_failure(run: RunContext, error: BaseException) -> None:
    """Log why a run failed: a line for everyone, the traceback for the run's files."""
    from loguru import logger

    lines = "".join(traceback.format_exception(error)).rstrip()
    detail = logger.bind(**{_FILES_ONLY: True}, error_type=type(error).__name__)
    detail.opt(raw=False).debug("{}", lines)
    logger.error("{} failed: {}: {}", run.key, type(error).__name__, error)


def log_to_stderr(level: str) -> None:
    """Show log lines on stderr, in place of loguru's own handler, which shows local variables."""
    from loguru import logger

    try:
        logger.remove(0)
    except ValueError:
        pass  # the program has set up handlers of its own
    else:
        logger.add(
            sys.stderr,
            level=level,
            format=STDERR_FORMAT,
            backtrace=False,
            diagnose=False,
            filter=lambda record: _FILES_ONLY not in record["extra"],
        )
