"""Hot zones: where it is too hot, and why."""
