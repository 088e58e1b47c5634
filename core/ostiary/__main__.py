"""``python -m ostiary`` is the command ``ostiary``."""

from __future__ import annotations

from ostiary.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
