"""The package below which the modules of all codebases live.

``codesave._ns.<16 hex digits>.src.model`` is the module ``src.model`` of the codebase whose sha256
begins with these digits. The name can be imported and pickled like any other: importing this
package installs the finder that knows where each codebase was unpacked.
"""

from __future__ import annotations

import sys

from codesave._finder import CodebaseFinder
from codesave._redirect import arm

__all__: list[str] = []

sys.meta_path.insert(0, CodebaseFinder(__name__))
__path__[:] = []  # nothing lies in this folder but this file
arm()
