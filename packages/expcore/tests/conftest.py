"""What several test files use."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


def load(name: str) -> ModuleType:
    """Import a file beside the tests, under the name it has as a script."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


TABLES = {
    "equal_pair": [("battery", "EQUAL"), ("battery_libraries", "EQUAL")],
    "differ_pair": [("battery", "DIFFER"), ("battery_libraries", "DIFFER")],
    # What libraries make depends on their versions.
    "golden_pair": [("battery", "EQUAL")],
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for fixture in TABLES.keys() & metafunc.fixturenames:
        pairs = [
            pytest.param((name, make), id=name.replace(" ", "-"))
            for battery, table in TABLES[fixture]
            for name, make in getattr(load(battery), table).items()
        ]
        metafunc.parametrize(fixture, pairs)
