"""The logs of a run: ``output.log``, to be read by people, and ``output.jsonl``, by programs.

They take what is logged and printed while the run is going on, its nested runs' lines included.
A line of ``output.jsonl`` is loguru's serialised record; a line that was printed has the level
``STDOUT`` or ``STDERR``. The files are opened and closed with the run and leave every other
handler as it is: a nested run cannot steal its parent's log. Local variables are never written
(loguru's ``diagnose``), for they hold passwords and tokens.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from savethat._capture import captured
from savethat._context import active_runs
from savethat._layout import LOG, LOG_LINES
from savethat._lines import write_line
from savethat._secret import redact

if TYPE_CHECKING:
    from collections.abc import Generator
    from io import FileIO

    from savethat._context import RunContext

FILE_FORMAT = "{time:YYYY-MM-DD HH:mm:ss.SSS} | {level: <8} | {name}:{function}:{line} - {message}"
STDERR_FORMAT = (
    "<green>{time:HH:mm:ss}</green> | <level>{level: <8}</level> | <level>{message}</level>"
)
_FILES_ONLY = "savethat_files_only"
_lock = threading.RLock()
"""So that no thread writes to a file that is closed; a signal's handler may print at any time."""


def _renew_lock() -> None:
    """Let a forked child print, though a thread that it does not have held the lock."""
    global _lock  # noqa: PLW0603 # the state of a process
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class RunLog:
    """The two open files of one run."""

    def __init__(self, run: RunContext, secrets: list[str]) -> None:
        self.run, self.secrets = run, secrets
        self._text = self._open(LOG)
        self._json = self._open(LOG_LINES)

    def _open(self, name: str) -> FileIO:
        return (self.run.folder / name).open("ab", buffering=0)

    def write_logged(self, message: str) -> None:
        """Write a serialised log line, and the text in it; a sink of loguru."""
        content = json.loads(message)
        if self.secrets:
            content = redact(content, self.secrets)
            message = json.dumps(content, default=str) + "\n"
        self._write(self._text, content["text"])
        self._write(self._json, message)

    def write_printed(self, stream: str, line: str) -> None:
        """Write a line that was printed."""
        line = redact(line, self.secrets)
        now = datetime.now().astimezone()
        level = {"name": stream.upper(), "no": 20, "icon": ""}
        time = {"repr": str(now), "timestamp": now.timestamp()}
        record = {"level": level, "message": line, "time": time, "extra": {}, "exception": None}
        shown = now.replace(tzinfo=None).isoformat(" ", "milliseconds")
        text = f"{shown} | {stream.upper():<8} | {line}\n"
        # A full disk must not break print().
        with suppress(OSError):
            self._write(self._text, text)
            self._write(self._json, json.dumps({"text": line + "\n", "record": record}) + "\n")

    def _write(self, file: FileIO, text: str) -> None:
        with _lock:
            if not file.closed:  # a thread may outlive the run
                write_line(file, text.encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Close both files."""
        with _lock:
            for file in (self._text, self._json):
                with suppress(OSError):
                    file.close()


@contextmanager
def log_to(run: RunContext, secrets: list[str]) -> Generator[None]:
    """Write what is logged and printed during the block into the run's folder."""
    from loguru import logger

    log = RunLog(run, secrets)

    def belongs(_: Any) -> bool:
        return run in active_runs()

    def printed(stream: str, line: str) -> None:
        if belongs(line):
            log.write_printed(stream, line)

    handler = logger.add(
        log.write_logged,
        filter=belongs,
        level="DEBUG",
        format=FILE_FORMAT,
        serialize=True,
        backtrace=False,
        diagnose=False,
        colorize=False,
    )
    try:
        with captured(printed):
            yield
    finally:
        with suppress(ValueError):  # the node took all handlers away
            logger.remove(handler)
        log.close()


def log_error(run: RunContext, error: BaseException, state: str) -> None:
    """Log how a run ended by an error: a line for everyone, the traceback for the run's files."""
    from loguru import logger

    lines = "".join(traceback.format_exception(error)).rstrip()
    detail = logger.bind(**{_FILES_ONLY: True}, error_type=type(error).__name__)
    detail.debug("{}", lines)
    ended = "completed, but not all after it" if state == "completed" else state
    level = "WARNING" if state in ("interrupted", "preempted") else "ERROR"
    logger.log(level, "{} {}: {}", run.key, ended, describe_error(error))


def describe_error(error: BaseException) -> str:
    """``ValueError: …``; the bare name of an error that says nothing."""
    try:
        return f"{type(error).__name__}: {error}".removesuffix(": ")
    except Exception:  # its __str__ is broken, and must not take its place
        return type(error).__name__


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
