"""Reading and writing: the only place that knows file formats and services."""
