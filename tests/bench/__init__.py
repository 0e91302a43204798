"""Benchmarks: the parts that take time, each beside a peer in the same run."""
