"""``python -m persist_to_disk`` is ``ptd``."""

import sys

from persist_to_disk._cli import main

if __name__ == "__main__":
    sys.exit(main())
