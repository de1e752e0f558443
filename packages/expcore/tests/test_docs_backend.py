"""The backend that the documentation writes in 40 lines keeps the whole contract."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from expcore import Storage
from expcore.testing import StorageContract

PAGE = Path(__file__).parents[3] / "docs" / "expcore.md"


class TestSqliteStorage(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        if not PAGE.exists():
            pytest.skip("the documentation is not beside the package")
        blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
        space: dict[str, Any] = {}
        exec(next(block for block in blocks if "class SqliteStorage" in block), space)
        storage: Storage = space["SqliteStorage"](tmp_path / "values.sqlite")
        return storage
