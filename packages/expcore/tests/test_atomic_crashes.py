"""Killed at any system call, on a full or failing disk: the old bytes or the new.

``strace`` makes the k-th call of a kind fail, or kills the process when it is made.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from expcore import sweep

OLD = b"old value"
CALLS = (
    "open,openat,write,pwrite64,fsync,fdatasync,fallocate,rename,renameat,renameat2,link,linkat,"
    "unlink,unlinkat,flock,close,dup,fcntl,lseek,ftruncate,chmod,fchmod"
)
WRITERS = {
    "small": "write_file(target, b'new' * 100)",
    "large": "write_file(target, bytes(range(256)) * 36864 + b'tail')",
    "pieces": "write_file(target, (b'piece' * 100_000 for _ in range(20)))",
    "claim": "write_file(target, b'new' * 100, overwrite=False)",
    "open": "f = open_atomic(target); file = f.__enter__(); file.write(b'new' * 100); "
    "file.seek(3); file.write(b'NEW'); f.__exit__(None, None, None)",
}
ONE_THREAD = "from expcore._stages import Workers; Workers.do = lambda _, f, *a: [f(*a)]; "
"""strace counts the calls of each thread for itself."""
NEW = {
    "small": b"new" * 100,
    "large": bytes(range(256)) * 36864 + b"tail",
    "pieces": b"piece" * 2_000_000,
    "claim": b"new" * 100,
    "open": b"newNEW" + b"new" * 98,
}


@functools.cache
def why_not() -> str:
    if shutil.which("strace") is None:
        return "strace is not installed"
    done = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True)
    return "" if done.returncode == 0 else "strace may not trace here"


@pytest.fixture(autouse=True)
def strace() -> None:
    if reason := why_not():
        pytest.skip(reason)


def run(
    folder: Path, writer: str, *inject: str, threads: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a writer in a process of its own; only calls that touch `folder` are injected into."""
    import expcore

    # The imports of the writer happen first; -P restricts to the store's paths and descriptors.
    code = (
        "import sys; from pathlib import Path; from expcore import open_atomic, write_file; "
        f"import mmap, fcntl; {'' if threads else ONE_THREAD}target = Path(sys.argv[1]); "
        f"{WRITERS[writer]}"
    )
    injections = [part for one in inject for part in ("-e", f"inject={one}")]
    return subprocess.run(
        [
            "strace", "-f", "-qq", "-y", "-o", str(folder.parent / "trace"),
            "-e", f"trace={CALLS}", *paths(folder), *injections,
            sys.executable, "-S", "-c", code, str(folder / "value"),
        ],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
            # No site: its start makes hundreds of calls, and none of them concerns the store.
            "PYTHONPATH": os.pathsep.join([str(Path(expcore.__file__).parents[1]), *sys.path]),
        },
        capture_output=True,
        text=True,
    )  # fmt: skip


def paths(folder: Path) -> list[str]:
    # strace follows a path's descriptors, but a temporary name must be known to it: fixed here.
    names = (folder, folder / "value", folder / ".value.0000000000000000.tmp")
    return [part for path in names for part in ("-P", str(path))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


@pytest.fixture(autouse=True)
def fixed_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, code in WRITERS.items():
        fixed = "import os; os.urandom = bytes; "
        monkeypatch.setitem(WRITERS, name, fixed + code)


def calls(folder: Path) -> list[str]:
    """Return the calls that a run made on the store, in order."""
    lines = (folder.parent / "trace").read_text().splitlines()
    return [line.split("(")[0].split()[-1] for line in lines if "(" in line and "= ?" not in line]


def check(folder: Path, writer: str) -> None:
    """The old bytes or the new, and after a sweep nothing else."""
    target = folder / "value"
    before = None if writer == "claim" else OLD
    found = target.read_bytes() if target.exists() else None
    assert found in {before, NEW[writer]}
    sweep(folder)
    assert [path.name for path in folder.iterdir()] in ([], ["value"])
    assert (target.read_bytes() if target.exists() else None) == found


def prepare(folder: Path, writer: str) -> None:
    for path in folder.iterdir():
        path.unlink()
    if writer != "claim":
        (folder / "value").write_bytes(OLD)


@pytest.mark.parametrize("writer", WRITERS)
def test_a_writer_killed_at_any_call_leaves_the_old_bytes_or_the_new(
    folder: Path, writer: str
) -> None:
    prepare(folder, writer)
    done = run(folder, writer)
    assert done.returncode == 0, done.stderr
    made = calls(folder)
    assert made.count("fsync") >= 2  # the file and its folder
    seen = set()

    for name in sorted(set(made)):
        for when in range(1, made.count(name) + 1):
            prepare(folder, writer)
            killed = run(folder, writer, f"{name}:signal=KILL:when={when}")
            assert killed.returncode != 0
            seen.add((folder / "value").read_bytes() if (folder / "value").exists() else None)
            check(folder, writer)

    assert len(seen) == 2  # some kills came before the rename, and some after


@pytest.mark.parametrize("writer", ["large", "pieces"])
def test_several_threads_killed_at_any_write_leave_the_old_bytes_or_the_new(
    folder: Path, writer: str
) -> None:
    hits = 0

    for when in (1, 1, 1, 2):  # of whichever thread makes so many first
        prepare(folder, writer)
        killed = run(folder, writer, f"pwrite64:signal=KILL:when={when}", threads=True)
        hits += killed.returncode != 0
        check(folder, writer)

    assert hits >= 3


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(
    "fault",
    [
        "write:error=ENOSPC", "write:error=EIO:when=2+", "pwrite64:error=ENOSPC",
        "pwrite64:error=EIO:when=2+", "fsync:error=EIO:when=1",
        "fallocate:error=ENOSPC", "rename:error=EIO", "link,linkat:error=EIO",
        "openat:error=EACCES:when=1", "fsync:error=ENOSPC:when=1",
    ],
)  # fmt: skip
def test_a_failing_disk_leaves_the_old_bytes_and_no_litter(
    folder: Path, writer: str, fault: str
) -> None:
    prepare(folder, writer)

    done = run(folder, writer, fault)

    before = None if writer == "claim" else OLD
    found = (folder / "value").read_bytes() if (folder / "value").exists() else None
    if done.returncode == 0:
        assert found == NEW[writer]  # this writer made no such call
    else:
        assert "OSError" in done.stderr or "PermissionError" in done.stderr
        assert found == before
    assert [path.name for path in folder.iterdir()] in ([], ["value"])


@pytest.mark.parametrize("writer", WRITERS)
def test_a_folder_that_cannot_be_synced_is_an_error_with_the_new_bytes_in_place(
    folder: Path, writer: str
) -> None:
    prepare(folder, writer)

    done = run(folder, writer, "fsync:error=EIO:when=2")

    assert "Input/output error" in done.stderr
    assert (folder / "value").read_bytes() == NEW[writer]


@pytest.mark.parametrize("writer", ["large", "pieces"])
def test_direct_writes_that_are_refused_are_made_through_the_cache(
    folder: Path, writer: str
) -> None:
    prepare(folder, writer)

    done = run(folder, writer, "fcntl:error=EINVAL:when=2+")

    assert done.returncode == 0, done.stderr
    assert (folder / "value").read_bytes() == NEW[writer]


def test_large_writes_bypass_the_page_cache(folder: Path) -> None:
    run(folder, "large")

    assert "O_DIRECT" in (folder.parent / "trace").read_text()


def test_a_live_writer_is_never_swept(folder: Path) -> None:
    """It holds a lock for as long as it lives, also while it is stopped."""
    import expcore

    code = (
        "import sys; from expcore import open_atomic\n"
        "with open_atomic(sys.argv[1]) as file:\n"
        "    file.write(b'alive'); print(flush=True); sys.stdin.read()\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(folder / "value")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(expcore.__file__).parents[1])},
    )
    with writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        assert sweep(folder) == []
        writer.communicate()

    assert (folder / "value").read_bytes() == b"alive"
