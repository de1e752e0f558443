"""codesave in a notebook: its cells run in a real IPython kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ipykernel", reason="no notebook kernel is installed: pip install ipykernel")
nbclient = pytest.importorskip("nbclient", reason="nothing runs notebooks: pip install nbclient")
nbformat = pytest.importorskip("nbformat", reason="nothing writes notebooks: pip install nbformat")

from codesave import checkpoint  # noqa: E402 - where there are no notebooks, all of this is skipped

pytestmark = [
    # jupyter and zmq about themselves
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

CELLS = [
    "from codesave import Codebase, UniqueCodebase\n"
    "codebase1, codebase2 = UniqueCodebase('codebase1.zip'), UniqueCodebase('codebase2.zip')",
    "codebase1.import_('src.model')",
    "assert src.model.version == 1",
    "codebase2.import_('src.model', as_='model_v2')",
    "assert model_v2.version == 2 and src.model.version == 1",
    "codebase1.from_import('src', ('model', 'utils'))",
    "assert (model.version, utils.name) == (1, 'utils')",
    # A cell is a module's code: what a cell's own function drops is an error.
    "def function():\n    codebase2.import_('src.model', as_='inside')\n"
    "try:\n    function()\nexcept RuntimeError as error:\n    print(error)",
    "for number in (1, 2, 1):\n"
    "    with Codebase(f'codebase{number}.zip'):\n"
    "        from src import model\n"
    "        assert model.version == number",
    "import sys\nassert 'src' not in sys.modules",
    "import inspect, pickle\n"
    "assert 'def late' in inspect.getsource(model_v2.late)\n"
    "assert pickle.loads(pickle.dumps(model_v2.Net())).late() == 'lazy'",
    "%load_ext autoreload\n%autoreload 2",
    "assert model_v2.late() == 'lazy'",
    "from concurrent.futures import ProcessPoolExecutor\n"
    "import multiprocessing\n"
    "with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context('spawn')) as pool:\n"
    "    print(pool.submit(model_v2.late).result())",
]
MODEL = """\
from src import utils
version = {number}

class Net:
    def late(self):
        return late()

def late():
    from src.lazy import name
    return name
"""


def test_cells_import_two_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "CODESAVE_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    for number in (1, 2):
        source = tmp_path / f"code{number}" / "src"
        source.mkdir(parents=True)
        (source / "model.py").write_text(MODEL.format(number=number))
        (source / "utils.py").write_text("name = 'utils'\n")
        (source / "lazy.py").write_text("name = 'lazy'\n")
        checkpoint(source.parent, tmp_path / f"codebase{number}.zip", verbose=False)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])

    nbclient.NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()

    outputs = [output for cell in notebook.cells for output in cell.outputs]
    printed = [output["text"] for output in outputs if output.get("name") == "stdout"]
    assert "cannot create the local variable inside inside the function 'function'" in printed[0]
    assert printed[1:] == ["lazy\n"]
