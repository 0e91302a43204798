"""Scores against real and simulated truth."""
