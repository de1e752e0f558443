"""The savethat page, lived through: its files written down, its commands typed in a shell."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "savethat.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(*languages: str) -> list[str]:
    return [
        text for language, text in BLOCK.findall(PAGE.read_text("utf-8")) if language in languages
    ]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The files of the page, as it names them in their first line."""
    folder = tmp_path / "repro"
    for text in blocks("python", "toml"):
        name = text.partition("\n")[0].removeprefix("# ")
        if re.fullmatch(r"[\w/]+\.(py|toml)", name) and name != "pyproject.toml":
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
    (folder / "my_project" / "__init__.py").touch()
    return folder


def shell(project: Path, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the page with its ``python`` being this one."""
    assert command.startswith("python -m my_project"), command
    words = command.split()
    return subprocess.run(
        [sys.executable, *words[1:]],
        cwd=project,
        capture_output=True,
        text=True,
        input="y\n",
        env={**os.environ, "HOME": str(project), "SAVETHAT_DISABLE_PLUGINS": "1", **environment},
        check=False,
    )


def test_every_command_runs_and_prints_what_the_page_shows(project: Path) -> None:
    key = "FitOLS_2026-11-21T08-00-17_k3v9q1"
    made = "import savethat; from my_project.fit_ols import *; "
    made += f"savethat.create_node(FitOLS, env_file='savethat.toml', key={key!r}).run()"
    subprocess.run([sys.executable, "-c", made], cwd=project, check=True, capture_output=True)

    for line in "".join(blocks("bash")).splitlines():
        if " submit " in line:
            continue  # needs a cluster, which test_savethat_slurm has
        plugins = {"SAVETHAT_DISABLE_PLUGINS": ""} if " reproduce " in line else {}
        done = shell(project, line, **plugins)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        if plugins:
            assert [text.split()[0] for text in done.stdout.splitlines()] == [
                text.split()[0] for text in "".join(blocks("text")).splitlines()
            ]
            assert done.stdout.splitlines()[-1] == "".join(blocks("text")).splitlines()[-1]
    for text in blocks("console"):
        command, _, expected = text.removeprefix("$ ").partition("\n")
        assert shell(project, command).stdout == expected

    runs = [run for run in (project / "data_storage").iterdir() if run.name != key]
    arguments = [json.loads((run / "args.json").read_text()) for run in runs]
    assert sorted((args["slowest"], args["through_origin"]) for args in arguments) == [
        (0, False),
        (0, True),
        (10, False),
        (10, True),
    ]


def test_the_plugin_of_the_page_works_as_it_is_installed(project: Path, tmp_path: Path) -> None:
    (declared,) = [text for text in blocks("toml") if text.startswith("# pyproject.toml")]
    site = tmp_path / "site"
    info = site / "memory_plugin-0.1.dist-info"
    info.mkdir(parents=True)
    (site / "memory_plugin.py").write_text((project / "memory_plugin.py").read_text())
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: memory-plugin\nVersion: 0.1\n")
    entry = re.findall(
        r'^\[project\.entry-points\.savethat\]\n(.*) = "(.*)"', declared, re.MULTILINE
    )
    ((name, module),) = entry
    (info / "entry_points.txt").write_text(f"[savethat]\n{name} = {module}\n")
    others = "ckpt,codesave,persist_to_disk,torch_saveload"

    done = shell(
        project,
        "python -m my_project run FitOLS",
        PYTHONPATH=str(site),
        SAVETHAT_DISABLE_PLUGINS=others,
    )

    assert done.returncode == 0, done.stderr
    (run,) = (project / "data_storage").iterdir()
    assert (run / "memory.txt").read_text().startswith("my_project.fit_ols.FitOLS completed: ")
    (artifact,) = [json.loads(line) for line in (run / "artifacts.jsonl").read_text().splitlines()]
    assert (artifact["path"], artifact["by"]) == ("memory.txt", "memory-plugin")
    code = [line for line in (site / "memory_plugin.py").read_text().splitlines() if line.strip()]
    assert len(code) <= 20
