"""The uploads of one run: what it has written so far, while it goes on, and the rest at its end.

While it goes on, several files are uploaded at once, the oldest first. The newest waits for the
others: who saves a checkpoint in parts writes last the file that says that it is whole. Then come
the logs, which grow all the time.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from threading import Timer
from typing import TYPE_CHECKING, NamedTuple

from savethat._claim import is_owned, warn_unsynced
from savethat._found import files_below, is_regular
from savethat._layout import ARTIFACTS, LOG, LOG_LINES, METRICS, RESULTS, STATE
from savethat._remote import impatient
from savethat._sync import push, push_pending

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path
    from threading import Event

    import expcore
    from savethat._files import Files
    from savethat._state import RunState

PENDING_LIMIT_S = 60
AT_ONCE = 4
"""Files that are uploaded at the same time while the run, which may need the network, goes on."""
SETTLED_S = 5
"""A file that was written longer ago than this is uploaded while the run goes on."""
SLOW_S = 10
"""An upload at the end that takes longer is told of."""
AGAIN_S = 240
"""A file that changes is uploaded again after this time."""
GROWING = (ARTIFACTS, LOG, LOG_LINES, METRICS)
"""Files to which lines are added: what there is of them is whole at any time."""

Seen = tuple[int, int]
"""When a file was changed (ns), and its size."""


class Sent(NamedTuple):
    """An upload of a file."""

    seen: Seen
    time: float
    whole: bool
    """Whether the file has not changed while it was read."""


class RunSync:
    """The uploads of one run."""

    def __init__(self, storage: Files, key: str, state: RunState) -> None:
        self.storage, self.key, self.state = storage, key, state
        self._owned = False
        self._sent: dict[str, Sent] = {}
        self._has_warned = False

    def tell(self, state: RunState) -> None:
        """Upload the state, which says whose the key is and that the run goes on."""
        with self._warned():
            remote = self._remote()
            if remote is not None and self._may_upload(remote):
                remote.write(f"{self.key}/{STATE}", state.encode())

    def upload_settled(self, over: Event) -> None:
        """Upload files that have not changed for some seconds; a failure is no reason to stop.

        Args:
            over: Set when there is no time left: what has begun is finished, and no more begins.
        """
        with self._warned():
            remote = self._remote()
            if remote is not None:
                self._upload_due(remote, over)

    def _upload_due(self, remote: expcore.Storage, over: Event) -> None:
        due = sorted((seen, name) for name, seen in self._files() if self._is_due(name, seen))
        if not due or not self._may_upload(remote):
            return
        files = [name for _, name in due if name not in GROWING]
        growing = [name for _, name in due if name in GROWING]
        if self._upload_each(remote, files[:-1], over):
            self._upload_each(remote, files[-1:], over)
        self._upload_each(remote, growing, over)  # they tell of the files

    def _upload_each(self, remote: expcore.Storage, names: list[str], over: Event) -> bool:
        """Upload several files at once; whether what was written after them may follow."""
        from concurrent.futures import ThreadPoolExecutor

        failed: list[str] = []

        def upload(name: str) -> bool:
            if over.is_set() or failed:
                return False
            try:
                return self._upload(remote, name)
            except Exception:
                failed.append(name)
                raise

        with ThreadPoolExecutor(AT_ONCE, "savethat-upload") as pool:
            return all(list(pool.map(upload, names)))

    def _remote(self) -> expcore.Storage | None:
        remote = self.storage.remote
        return None if remote is None else impatient(remote)

    def _may_upload(self, remote: expcore.Storage) -> bool:
        """Whether no other run has the key there; if one has, ``push`` finds another name."""
        self._owned = self._owned or is_owned(remote, self.key, self.state)
        return self._owned

    def _files(self) -> Iterator[tuple[str, Seen]]:
        """The files that may be uploaded before the run is over; no links."""
        folder = self.storage / self.key
        for name in files_below(str(folder)):
            # Results come when all else is there; the state is the heart's to tell.
            if name not in (RESULTS, STATE) and is_regular(folder / name):
                with suppress(FileNotFoundError):
                    yield name, _seen(folder / name)

    def _is_due(self, name: str, seen: Seen) -> bool:
        sent = self._sent.get(name)
        # Clocks are set back, and that of a file server may be ahead.
        is_settled = name in GROWING or abs(time.time() - seen[0] / 1e9) > SETTLED_S
        if sent is None:
            return is_settled
        again = time.monotonic() - sent.time > AGAIN_S
        return sent.seen != seen and again if sent.whole else is_settled or again

    def _upload(self, remote: expcore.Storage, name: str) -> bool:
        """Upload one file; whether it is there, as far as it can be.

        Raises:
            expcore.ExpcoreError: No file would arrive.
        """
        from expcore import AccessDenied, InvalidKey, QuotaExceeded, StorageUnavailable

        path = self.storage / self.key / name
        try:
            before = _seen(path)
            remote.upload(path, f"{self.key}/{name}")
            whole = name in GROWING or _seen(path) == before
            self._sent[name] = Sent(before, time.monotonic(), whole)
        except (StorageUnavailable, AccessDenied, QuotaExceeded):
            raise
        except (FileNotFoundError, InvalidKey):  # an old checkpoint that was removed; never
            return True
        except Exception as error:  # this file alone cannot be read, or kept changing
            self._warn(error)
            return False
        return whole

    @contextmanager
    def _warned(self) -> Generator[None]:
        try:
            yield
        except Exception as error:  # tried again at the next heartbeat, and at the end
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if not self._has_warned:
            self._has_warned = True
            from loguru import logger

            logger.warning("{} is not uploaded yet: {}", self.key, error)

    def finish(self, state: RunState) -> str:
        """Upload the run as it is at its end, and then what earlier runs have left.

        If that fails, they stay pending.

        Returns:
            The run's key, as :func:`~savethat._sync.push` does.
        """
        if self.storage.config.remote is None:
            return self.key
        try:
            with _told_if_slow(self.key, self.storage.config.remote):
                key = push(self.storage, self.key, state)
        except Exception as error:  # whatever it is, the run is kept locally
            warn_unsynced(self.key, self.storage, error)
            return self.key
        if state.state not in ("interrupted", "preempted"):  # then time is short
            try:
                list(push_pending(self.storage, limit_s=PENDING_LIMIT_S))
            except Exception as error:
                warn_unsynced("an earlier run", self.storage, error)
        return key


@contextmanager
def _told_if_slow(key: str, remote: str) -> Generator[None]:
    """Tell people why the program has not ended yet."""
    from loguru import logger

    from expcore import without_credentials

    where = without_credentials(remote)
    timer = Timer(SLOW_S, logger.info, ("{} is still being uploaded to {}", key, where))
    timer.daemon = True
    with suppress(RuntimeError):  # the system has no more threads
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _seen(path: Path) -> Seen:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size
