"""What a storage backend of one's own needs: checks and small helpers.

See "Writing a backend" in ``docs/expcore.md``, and :class:`expcore.testing.StorageContract`.
"""

from expcore._data import read_all
from expcore._keys import check_key, check_prefix, refused_at_the_end
from expcore._storage import check_range, group

__all__ = ["check_key", "check_prefix", "check_range", "group", "read_all", "refused_at_the_end"]
