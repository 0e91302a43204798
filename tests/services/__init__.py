"""Suites against real services on the loopback interface."""
