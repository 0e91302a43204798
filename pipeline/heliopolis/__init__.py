"""heliopolis: where a city is too hot, and what every roof can produce."""

__version__ = "0.1.0"
