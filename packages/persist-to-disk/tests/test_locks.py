"""The files behind the locks: removed when nobody holds them, never kept by the wrong process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

import persist_to_disk as ptd
from persist_to_disk._locks import LockFolder, is_free, whole_file_lock
from persist_to_disk._store import Store

linux = pytest.mark.skipif(sys.platform != "linux", reason="locks of bytes are Linux's")


TRY_LOCK = """
import sys
import threading
from functools import partial
from pathlib import Path
from persist_to_disk._locks import LockFolder
print(LockFolder(Path(sys.argv[1])).lock(5).try_acquire())
"""


@linux
def test_lock_files_that_nobody_holds_are_found_and_removed(load, cache):
    module = load("""
        found = []
        @ptd.persistf()
        def f(x):
            found.append(ptd.clear_locks())
            return x
        @ptd.persistf()
        def g(x):
            return x
    """)
    folder = cache / "project-1/module"
    module.g(1)
    (folder / "g/7.pkl.lock").touch()  # of version 0.0.7
    free = [folder / "g/.lock", folder / "g/7.pkl.lock"]

    module.f(1)
    assert module.found == [free]  # f's own is held
    with whole_file_lock(folder / "g/7.pkl.lock"):
        assert ptd.clear_locks() == [folder / "f/.lock", folder / "g/.lock"]
    (folder / "g/7.pkl.lock").touch()
    assert ptd.clear_locks(clear=True) == [folder / "f/.lock", *free]
    assert ptd.clear_locks() == []
    assert [module.f(1), module.f(2)] == [1, 2]
    assert (folder / "f/.lock").exists()


@linux
def test_a_lock_of_a_removed_file_excludes_nobody_from_the_new_one(tmp_path):
    first, second, third = (LockFolder(tmp_path).lock(5) for _ in range(3))
    first.acquire()
    first.release()  # the open file is kept
    assert is_free(tmp_path / ".lock", remove=True)
    assert not (tmp_path / ".lock").exists()

    second.acquire()
    assert (tmp_path / ".lock").exists()
    assert not third.try_acquire()
    assert not is_free(tmp_path / ".lock", remove=True)
    second.release()
    assert third.try_acquire()
    third.release()


@linux
def test_a_forked_process_does_not_keep_the_locks_of_its_parent(tmp_path):
    from persist_to_disk import _byte_locks

    lock, other = (LockFolder(tmp_path).lock(5) for _ in range(2))
    to_child, from_parent = os.pipe()
    to_parent, from_child = os.pipe()
    lock.acquire()
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)  # if the test fails, nobody tells the child to end
        os.read(to_child, 1)
        mine = LockFolder(tmp_path).lock(5)
        got = mine.try_acquire()  # the file of the parent's lock, opened anew
        lock.release()  # the parent's, which this process gave up
        os.write(
            from_child, b"yes" if got and not LockFolder(tmp_path).lock(5).try_acquire() else b"no"
        )
        os.read(to_child, 1)
        os._exit(0)
    assert not other.try_acquire()
    # As the kernel does for a parent that is killed.
    _byte_locks._close_all()
    os.write(from_parent, b"1")
    assert os.read(to_parent, 3) == b"yes"
    os.write(from_parent, b"2")
    assert os.waitpid(pid, 0)[1] == 0
    for descriptor in (to_child, from_parent, to_parent, from_child):
        os.close(descriptor)
    other.acquire()
    other.release()


def open_files():
    """The descriptors of this process, without the one that lists them."""
    return {int(path.name) for path in Path("/proc/self/fd").iterdir() if path.exists()}


@linux
def test_a_lock_outlives_a_daemon_that_closes_all_descriptors(tmp_path):
    from persist_to_disk import _byte_locks

    _byte_locks._close_all()  # those of other tests; there may be only so many
    first, second = (LockFolder(tmp_path).lock(5) for _ in range(2))
    before = open_files()
    first.acquire()
    first.release()  # the open file is kept
    (kept,) = open_files() - before
    os.close(kept)
    with (tmp_path / "log").open("w") as log:
        assert log.fileno() == kept

        first.acquire()
        second_got_it = second.try_acquire()
        first.release()
        log.write("still open")

    assert not second_got_it
    assert (tmp_path / "log").read_text() == "still open"


@linux
def test_a_lock_file_that_took_the_number_of_another_one_is_not_locked(tmp_path):
    from persist_to_disk import _byte_locks

    _byte_locks._close_all()
    first, other = (LockFolder(tmp_path / name).lock(5) for name in ("first", "other"))
    before = open_files()
    first.acquire()
    first.release()
    (kept,) = open_files() - before
    os.close(kept)
    other.acquire()  # under the same number, by now
    other.release()

    first.acquire()
    first.release()

    elsewhere = subprocess.run(
        [sys.executable, "-c", TRY_LOCK, tmp_path / "other"], capture_output=True, check=True
    )
    assert elsewhere.stdout.split() == [b"True"]


@linux
def test_many_locks_of_a_folder_take_one_open_file(tmp_path):
    locks = [LockFolder(tmp_path).lock(offset) for offset in range(1000)]
    before = open_files()

    assert all(lock.try_acquire() for lock in locks)
    assert len(open_files() - before) == 1
    command = [sys.executable, "-c", TRY_LOCK, tmp_path]
    assert subprocess.run(command, capture_output=True, check=True).stdout.split() == [b"False"]
    locks[5].release()
    assert subprocess.run(command, capture_output=True, check=True).stdout.split() == [b"True"]
    for lock in locks:
        lock.release()


def test_threads_exclude_each_other(tmp_path):
    inside, most = [], []

    def work():
        for _ in range(50):
            lock = LockFolder(tmp_path).lock(5)
            lock.acquire()
            inside.append(1)
            most.append(len(inside))
            inside.pop()
            lock.release()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert max(most) == 1
    assert len(most) == 400


def interrupted_at(step, call):
    """Call something, and interrupt it at a step of this package; say whether there was one."""
    package = str(Path(ptd.__file__).parent)

    def profile(frame, event, _):
        nonlocal step
        # Python looks for signals where a function begins, and where one written in C has ended.
        # When `release` begins is the one moment that nothing can be done about.
        code = frame.f_code
        begins = event == "call" and code.co_name not in {"release", "__exit__"}
        if (begins or event == "c_return") and code.co_filename.startswith(package):
            step -= 1
            if step < 0:
                sys.setprofile(None)
                raise KeyboardInterrupt

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(before)
    return False


@linux
def test_an_interrupt_at_any_step_of_a_call_leaves_no_lock_behind(load):
    module = load("""
        @ptd.persistf()
        def f(x):
            return x
    """)
    module.f(-1)
    lock_file = module.f.cache_path(0).parent / ".lock"

    step = 0
    while interrupted_at(step, partial(module.f, step)):
        assert is_free(lock_file, remove=False), step
        assert module.f(step) == step
        step += 1

    assert step > 100


def test_writers_of_a_bucket_exclude_each_other_whatever_their_granularity(tmp_path):
    alone = Store(tmp_path, hashsize=1).lock_of(0)
    sharing = Store(tmp_path, hashsize=1, shared_lock=tmp_path.parent).lock_of(0)

    sharing.acquire()
    assert not alone.try_acquire()
    sharing.release()
    assert alone.try_acquire()
    assert not sharing.try_acquire()
    alone.release()
    assert sharing.try_acquire()
    sharing.release()
