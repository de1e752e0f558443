"""The five find each other when installed, and miss nothing of theirs when not."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from environments import ROOT, Environment, make_environment

SCRIPT = Path(__file__).with_name("everything.py")
KINDS = {
    "codesave": "code",
    "persist-to-disk": "cache entry",
    "ckpt": "checkpoint",
    "torch-saveload": "model",
}
FIVE_FILES = {
    "args.json",
    "output.jsonl",
    "output.log",
    "reproducible.json",
    "results.pickle",
}


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory, wheels: dict[str, Path]) -> Environment:
    """All six, from their wheels."""
    environment = make_environment(tmp_path_factory.mktemp("everything") / "env")
    environment.uv("install", *wheels.values())
    return environment


def run_script(environment: Environment, project: Path) -> dict:
    """Run the script with warnings shown; what it printed."""
    project.mkdir()
    (project / "train.py").write_text("RATE = 0.1\n")
    home = {"HOME": str(project / "home"), "USERPROFILE": str(project / "home")}
    done = environment.run("-W", "always", SCRIPT, project, cwd=project, **home)
    assert done.returncode == 0, done.stderr
    assert "SavethatPluginWarning" not in done.stderr, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def kinds(seen: dict) -> set[str]:
    return {artifact["kind"] for artifact in seen["artifacts"]}


def test_all_five_installed_leave_their_marks_in_the_run(
    everything: Environment, tmp_path: Path
) -> None:
    seen = run_script(everything, tmp_path / "project")

    assert seen["result"] == 1.0
    assert kinds(seen) == set(KINDS.values())
    assert set(seen["files"]) >= FIVE_FILES | {"code.zip", "artifacts.jsonl"}
    for artifact in seen["artifacts"]:
        assert artifact["digest"].partition(":")[0] in {"sha256", "blake3", "xxh3_128"}
    hits = [a["hit"] for a in seen["artifacts"] if a["kind"] == "cache entry"]
    assert hits == [False, True]


@pytest.mark.parametrize("removed", sorted(KINDS))
def test_without_one_package_the_others_go_on(
    removed: str, everything: Environment, wheels: dict[str, Path], tmp_path: Path
) -> None:
    everything.uv("uninstall", removed)
    try:
        seen = run_script(everything, tmp_path / "project")
    finally:
        everything.uv("install", "--no-deps", wheels[removed])

    assert seen["result"] == 1.0
    assert kinds(seen) == set(KINDS.values()) - {KINDS[removed]}
    assert set(seen["files"]) >= FIVE_FILES


def test_without_savethat_the_others_go_on(
    everything: Environment, wheels: dict[str, Path], tmp_path: Path
) -> None:
    everything.uv("uninstall", "savethat")
    try:
        seen = run_script(everything, tmp_path / "project")
    finally:
        everything.uv("install", "--no-deps", wheels["savethat"])

    assert seen["result"] == 1.0


def test_the_plugin_of_the_documentation_works_as_it_is_written(
    everything: Environment, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "plugins.md").read_text("utf-8")
    plugin = tmp_path / "plugin"
    plugin.mkdir()
    for language, name in {"python": "disk_space.py", "toml": "pyproject.toml"}.items():
        (block,) = re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
        (plugin / name).write_text(block, "utf-8")
    assert len((plugin / "disk_space.py").read_text("utf-8").splitlines()) <= 20

    everything.uv("install", plugin)
    try:
        seen = run_script(everything, tmp_path / "project")
    finally:
        everything.uv("uninstall", "disk-space")

    (note,) = [artifact for artifact in seen["artifacts"] if artifact["kind"] == "note"]
    assert note["free_bytes"] > 0
    assert "disk_space.txt" in seen["files"]


def install_plugin(folder: Path, name: str, source: str) -> Path:
    """A third party's distribution: one module, one entry point, laid out as by pip."""
    folder.mkdir()
    (folder / f"{name}.py").write_text(source)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[savethat]\n{name} = {name}\n")
    return folder


BREAKS_IN_A_HOOK = """
import pluggy
hookimpl = pluggy.HookimplMarker("savethat")

@hookimpl
def run_start(run):
    raise RuntimeError("start went wrong")

@hookimpl
def run_end(run, status):
    raise RuntimeError("end went wrong")
"""


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (BREAKS_IN_A_HOOK, ["start went wrong", "end went wrong"]),
        ("raise ImportError('its library is missing')", ["its library is missing"]),
        ("import sys; sys.exit(3)", ["SystemExit"]),
    ],
    ids=["raises in hooks", "cannot be imported", "exits"],
)
def test_a_plugin_that_breaks_is_named_and_never_fails_a_run(
    source: str, said: list[str], tmp_path: Path
) -> None:
    site = install_plugin(tmp_path / "site", "third_party_breaks", source)
    project = tmp_path / "project"
    project.mkdir()
    here = Environment(Path(sys.prefix))

    done = here.run(
        "-W",
        "always",
        SCRIPT,
        project,
        cwd=project,
        PYTHONPATH=str(site),
        HOME=str(tmp_path),
        USERPROFILE=str(tmp_path),
    )

    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["result"] == 1.0
    assert kinds(seen) == set(KINDS.values())
    assert "third_party_breaks" in done.stderr
    for words in said:
        assert words in done.stderr
