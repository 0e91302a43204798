"""``python -m heliopolis.cli``."""

from heliopolis.cli import main

main()
