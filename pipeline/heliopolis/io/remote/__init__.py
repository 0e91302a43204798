"""Bytes from remote archives: calls with good manners, a cache, tokens and progress."""
