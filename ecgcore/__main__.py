"""``python -m ecgcore``."""

from ecgcore.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
