"""What goes to a storage in the background, by a few threads that each process has."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future, ThreadPoolExecutor

UPLOADERS = 4


def in_background(upload: Callable[[], None]) -> None:
    """Have an upload done by one of the threads.

    Args:
        upload: It raises nothing.
    """
    pool, jobs = _background()
    jobs.add(job := pool.submit(upload))
    job.add_done_callback(jobs.discard)


def wait_for_uploads() -> None:
    """Wait until all results of this process that go to a storage are there.

    A process that ends by itself waits too; one that is killed does not.
    """
    from concurrent.futures import wait

    wait(set(_background()[1]))


@cache
def _background() -> tuple[ThreadPoolExecutor, set[Future[None]]]:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(UPLOADERS, thread_name_prefix="persist_to_disk-upload"), set()


if hasattr(os, "register_at_fork"):  # a forked process has none of the threads
    os.register_at_fork(after_in_child=_background.cache_clear)
