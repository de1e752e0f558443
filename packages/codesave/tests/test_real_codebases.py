"""Real packages load whole beside the installed versions of themselves.

Each module that imports from a plain folder imports through ``UniqueCodebase`` too, is the
codebase's own, and leaves the installed package as it was.
"""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from codesave import checkpoint

IMPORT_ALL = """if True:
    import importlib, json, sys, warnings
    warnings.simplefilter("ignore")
    mode, package, place, *names = sys.argv[1:]
    if mode == "plain":
        sys.path.insert(0, place)
        load = importlib.import_module
    else:
        from codesave import UniqueCodebase
        host = importlib.import_module(package)
        codebase = UniqueCodebase(place)
        load = codebase.import_module
    results = {}
    for name in names:
        try:
            module = load(name)
        except BaseException as error:
            results[name] = f"{type(error).__name__}: {error}"
            continue
        results[name] = "imported"
        if mode == "unique":
            file = getattr(module, "__file__", None)
            assert file is None or file.startswith(str(codebase.folder)), (name, file)
    if mode == "unique":
        assert sys.modules[package] is host
        assert not str(host.__file__).startswith(str(codebase.folder))
    print("\\n" + json.dumps(results))
"""


@pytest.mark.parametrize("package", ["attr", "attrs", "flask", "joblib", "sympy"])
def test_a_real_codebase_loads_whole(package, tmp_path, python):
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"{package} is not installed")
    folder = tmp_path / "code"
    shutil.copytree(Path(spec.origin).parent, folder / package)
    # sympy's thousand test modules would take most of the time, and import alike.
    modules = [
        ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(folder.rglob("*.py"))
        if path.name != "__main__.py" and not {"tests", "test", "benchmarks"} & set(path.parts)
    ]
    zip_path = str(checkpoint(folder, tmp_path / "code.zip", verbose=False).path)

    def imported(mode: str, place: str) -> set[str]:
        out = python(mode, package, place, *modules, code=IMPORT_ALL)
        results = json.loads(out.strip().splitlines()[-1])
        return {name for name, result in results.items() if result == "imported"}

    plain = imported("plain", str(folder))

    assert len(plain) > len(modules) * 0.9
    assert plain <= imported("unique", zip_path)
