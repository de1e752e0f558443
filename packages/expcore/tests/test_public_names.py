"""What is public is there, and what is costly comes only when it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import expcore


@pytest.mark.parametrize("name", expcore.__all__)
def test_each_public_name_can_be_imported(name: str) -> None:
    if name != "crc32":  # another library's function, as it is
        assert getattr(expcore, name).__module__.startswith("expcore")
    assert name in dir(expcore)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        expcore.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_importing_the_package_imports_no_retries_and_no_clients() -> None:
    code = "import sys, expcore; print({'tenacity', 'b2sdk', 'fsspec'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"


def test_a_storage_can_be_made_patient_or_impatient() -> None:
    class Down(expcore.MemoryStorage):
        tries = 0

        def stat(self, key: str) -> expcore.Stat:
            self.tries += 1
            raise expcore.StorageUnavailable(self.url, f"stat {key!r}", "down")

    down = Down()
    storage = expcore.RetryingStorage(down, expcore.Retry(attempts=2, first_wait_s=0))

    with pytest.raises(expcore.StorageUnavailable):
        storage.stat("k")
    assert down.tries == 2
