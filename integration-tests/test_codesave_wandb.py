"""codesave with the real wandb client, against a server on the loopback address."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

pytest.importorskip("wandb", reason="the wandb client is not installed: pip install wandb")

HERE = Path(__file__).parent


def load_server():
    """The server module beside this file, which is no package."""
    spec = spec_from_file_location("wandb_server", HERE / "wandb_server.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def server() -> Iterator[object]:
    with load_server().serve() as state:
        yield state


@pytest.fixture
def run(server, tmp_path: Path) -> Callable[..., str]:
    """Run a script in a fresh process whose wandb knows nothing but the loopback server."""
    codebase = tmp_path / "work/codebase"
    for name in ("src/__init__.py", "src/utils.py", "train.py", "eval.py"):
        (codebase / name).parent.mkdir(parents=True, exist_ok=True)
        (codebase / name).write_text("")
    (codebase / "src/model.py").write_text("from src import utils\nwhatever_you_want = 'that'\n")
    (codebase / ".env").write_text("TOKEN=1")
    count = iter(range(100))

    def fresh(code: str, **changes: str) -> str:
        # A cache of its own for each process: an artifact is downloaded, not found at home.
        home = tmp_path / f"home{next(count)}"
        home.mkdir()
        folders = dict.fromkeys(("HOME", "USERPROFILE", "XDG_CACHE_HOME"), str(home))
        wandb = {
            f"WANDB_{name}_DIR": str(home / name)
            for name in ("CACHE", "CONFIG", "DATA", "ARTIFACT")
        }
        env = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("WANDB") and not key.lower().endswith("_proxy")
        }
        env |= folders | wandb
        env |= {
            "WANDB_BASE_URL": server.url,
            "WANDB_API_KEY": "0" * 40,
            "WANDB_SILENT": "true",
            "WANDB_DIR": str(tmp_path),
            "CODESAVE_CACHE": str(home / "codesave"),
            **changes,
        }
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            cwd=tmp_path / "work",
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return fresh


TRAIN = """
    import wandb
    from codesave import checkpoint_to_wandb
    wandb.init(project="demo", id="run1")
    checkpoint_to_wandb("codebase/")
    wandb.finish()
"""


def test_a_run_keeps_its_code_and_gives_it_back(run, server):
    """The snippet at the top of the documentation."""
    run(TRAIN)

    out = run("""
        wandb_run_path = "me/demo/run1"
        from codesave import Codebase, download_from_wandb
        zipname = download_from_wandb(wandb_run_path)
        with Codebase(zipname):
            from src import model
            print(model.whatever_you_want)
    """)

    assert out == "that\n"
    assert server.unknown == []


def test_the_zip_is_one_file_at_the_top_of_the_run_and_holds_no_secret(run, server, tmp_path):
    run(TRAIN)

    files = server.run_files("demo", "run1")
    (tmp_path / "codebase.zip").write_bytes(files["codebase.zip"])

    assert not any(name.endswith("/codebase.zip") for name in files)
    uploads = [request for request in server.requests if request.endswith("codebase.zip")]
    assert uploads == ["PUT run/demo/run1/codebase.zip"]
    with zipfile.ZipFile(tmp_path / "codebase.zip") as archive:
        names = archive.namelist()
    assert "src/model.py" in names
    assert ".env" not in names


def test_an_upload_costs_at_most_ten_requests(run, server):
    """Beyond those that the same run costs without it."""
    run(TRAIN.replace('checkpoint_to_wandb("codebase/")', "pass").replace("run1", "run0"))
    without = len(server.requests)
    server.requests.clear()

    run(TRAIN)

    assert "PUT run/demo/run1/codebase.zip" in server.requests
    assert len(server.requests) - without <= 10, server.requests


def test_the_documented_pair_of_long_names_works(run, tmp_path):
    """The snippets under "Integration w/ wandb"."""
    run("""
        import wandb
        from codesave import checkpoint_codebase_for_wandb
        wandb.init(project="demo", id="run1")
        checkpoint_codebase_for_wandb("codebase/")
        wandb.finish()
    """)
    out = run("""
        wandb_run_name = "me/demo/run1"
        from codesave import load_codebase_from_wandb
        print(load_codebase_from_wandb(wandb_run_name, output_zipname="codesave.zip"))
        import sys
        sys.path.append("codesave.zip")
        import src.model
        print(src.model.whatever_you_want)
    """)

    assert out == "codesave.zip\nthat\n"


def test_the_zip_may_lie_elsewhere_and_have_another_name(run, server):
    run("""
        import wandb
        from codesave import checkpoint_to_wandb
        wandb.init(project="demo", id="run1")
        checkpoint_to_wandb("codebase/", output_directory="out", codebase_zipname="v[1].zip")
        wandb.finish()
    """)

    out = run("""
        from codesave import download_from_wandb
        print(download_from_wandb("me/demo/run1", "got.zip", wandb_filename="v[1].zip"))
    """)

    assert out == "got.zip\n"
    assert "v[1].zip" in server.run_files("demo", "run1")


def test_code_logged_by_wandb_itself_is_found_too(run, server):
    run("""
        import wandb
        wandb.init(project="demo", id="run1").log_code("codebase")
        wandb.finish()
    """)

    out = run("""
        from codesave import UniqueCodebase, WandBCodebase, zip_from_wandb, zip_from_wandb_artifact
        for zipname in (
            zip_from_wandb("me/demo/run1"),
            zip_from_wandb_artifact("me/demo/run1", "a.zip"),
        ):
            print(UniqueCodebase(zipname).import_module("src.model").whatever_you_want)
        print(WandBCodebase("me/demo/run1").import_module("src.model").whatever_you_want)
    """)

    assert out == "that\n" * 3
    assert server.unknown == []


def test_the_command_downloads_the_code(run, tmp_path):
    run(TRAIN)

    out = run("""
        from codesave._cli import code_from_wandb
        print(code_from_wandb(["me/demo/run1", "-o", "got.zip"]))
    """)

    assert out == "got.zip\n0\n"
    assert zipfile.is_zipfile(tmp_path / "work/got.zip")


def test_a_run_without_code_says_what_it_holds(run):
    run("""
        import wandb
        wandb.init(project="demo", id="run1")
        wandb.finish()
    """)

    out = run("""
        from codesave import WandBCodebase, download_from_wandb
        for get in (download_from_wandb, WandBCodebase):
            try:
                get("me/demo/run1")
            except LookupError as error:
                print(error)
    """)

    first, second = out.splitlines()
    assert first.startswith(
        "the wandb run 'me/demo/run1' holds no file 'codebase.zip'; it holds: config.yaml"
    )
    assert "holds no single artifact of type 'code'; it holds: nothing" in second


def test_without_a_run_the_error_says_so(run):
    out = run("""
        from codesave import checkpoint_to_wandb
        try:
            checkpoint_to_wandb("codebase/")
        except RuntimeError as error:
            print(error)
    """)

    assert out.startswith("there is no active wandb run; call wandb.init(")


def test_an_offline_run_keeps_the_zip_until_it_is_synced(run, server, tmp_path):
    run(TRAIN, WANDB_MODE="offline")
    assert server.requests == []
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    assert zipfile.is_zipfile(folder / "files/codebase.zip")

    run(f"""
        import subprocess, sys
        subprocess.run([sys.executable, "-m", "wandb", "sync", {str(folder)!r}], check=True)
    """)

    assert zipfile.ZipFile(folder / "files/codebase.zip").testzip() is None
    assert (
        server.run_files("demo", "run1")["codebase.zip"]
        == (folder / "files/codebase.zip").read_bytes()
    )
