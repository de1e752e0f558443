"""What a plugin is given: the run, to which it may add artifacts.

``artifacts.jsonl`` in the run's folder has one JSON object a line::

    {"path": "ckpt/0000000003.npz",   relative to the run's folder (posix), else absolute
     "kind": "checkpoint",            what it is
     "by": "ckpt",                    who listed it
     "use": "written",                or "read"
     "bytes": 12345,                  size of the file
     "digest": "sha256:…",            of the file, unless its lister knows a better one
     "time": "2026-11-21T08:00:17.123456+00:00",
     …}                               further facts, as the lister likes

Plugins never import this package: they are handed the objects of this module.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from savethat._layout import ARTIFACTS
from savethat._lines import append_line

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file that a run read or wrote."""

    path: str
    kind: str
    by: str
    use: Literal["written", "read"]
    bytes: int
    digest: str
    time: str
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def as_dict(self) -> dict[str, Any]:
        """The artifact as its line in ``artifacts.jsonl`` has it."""
        own = {name: getattr(self, name) for name in self.__slots__ if name != "facts"}
        return {**own, **self.facts}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunContext:
    """One run, as plugins see it."""

    key: str
    """The run's key."""
    folder: Path
    """The run's folder: ``storage / key``."""
    project_dir: Path
    """The folder of the project's code."""
    node: str
    """The node, as ``module.Class``."""

    def add_artifact(
        self,
        path: str | os.PathLike[str],
        *,
        kind: str,
        by: str,
        use: Literal["written", "read"] = "written",
        digest: str | None = None,
        **facts: Any,
    ) -> Artifact:
        """List a file in the run.

        When runs nest, only the innermost one lists it.

        Args:
            path: The file; relative to the run's folder or to the working directory.
            kind: What it is, e.g. ``"checkpoint"``.
            by: Who lists it, e.g. ``"ckpt"``.
            use: Whether the run wrote the file or read it.
            digest: ``algorithm:hex``; the file's sha256 when not given.
            **facts: Anything more; values that JSON does not know are kept as text.

        Raises:
            FileNotFoundError: There is no such file.
        """
        from expcore import digest_file

        file = self.folder / path
        if not file.exists():
            file = Path(path).absolute()
        size = file.stat().st_size
        try:
            name = file.resolve().relative_to(self.folder.resolve()).as_posix()
        except ValueError:
            name = str(file)
        artifact = Artifact(
            path=name,
            kind=kind,
            by=by,
            use=use,
            bytes=size,
            digest=digest or digest_file(file, algorithm="sha256"),
            time=datetime.now(UTC).isoformat(),
            facts=facts,
        )
        if innermost_run() in (self, None):
            append_line(self.folder / ARTIFACTS, artifact.as_dict())
            from savethat._plugins import call_plugins

            call_plugins("artifact", run=self, artifact=artifact)
        return artifact


# The runs going on in this context, outermost first. A thread that a node starts has an empty
# context of its own, so the latest run of the process stands in for it.
_here: ContextVar[tuple[RunContext, ...]] = ContextVar("savethat_runs", default=())
_everywhere: list[tuple[RunContext, ...]] = []


def active_runs() -> tuple[RunContext, ...]:
    """The runs going on here, outermost first."""
    runs = _here.get()
    if runs:
        return runs
    latest = _everywhere[-1:]  # without a lock, which a fork in another thread would leave locked
    return latest[0] if latest else ()


def innermost_run() -> RunContext | None:
    """The run that lists what is written now."""
    runs = active_runs()
    return runs[-1] if runs else None


@contextmanager
def activate(run: RunContext) -> Generator[None]:
    """Make ``run`` the innermost run for the time of the block."""
    runs = (*_here.get(), run)
    token = _here.set(runs)
    _everywhere.append(runs)
    try:
        yield
    finally:
        _everywhere.remove(runs)
        _here.reset(token)
