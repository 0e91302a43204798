"""Roofs: outlines, surface model, planes."""
