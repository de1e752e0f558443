"""What a storage backend must do, as tests that a backend's own tests inherit.

::

    from expcore.testing import StorageContract

    class TestMyStorage(StorageContract):
        @pytest.fixture
        def storage(self, tmp_path):
            return MyStorage(tmp_path)

The fixture yields an empty storage. Importing this module imports pytest.
"""

from __future__ import annotations

from expcore._contract import keys
from expcore._contract_keys import KeyTests
from expcore._contract_listings import ListingTests
from expcore._contract_values import ValueTests

__all__ = ["StorageContract", "keys"]


class StorageContract(ValueTests, KeyTests, ListingTests):
    """The promises of :class:`expcore.Storage`; inherit it and define ``storage``."""
