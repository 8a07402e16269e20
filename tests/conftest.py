"""Fixtures that every room's tests may ask for: the oracles, the browser."""

pytest_plugins = ["tests.oracle.programs", "tests.pictures.chromium"]
