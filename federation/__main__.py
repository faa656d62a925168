"""``python -m federation`` is ``procirc``."""

from federation.cli import main

if __name__ == "__main__":
    main()
