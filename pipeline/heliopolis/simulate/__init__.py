"""A seeded city with known truth, seen through sensor models."""
