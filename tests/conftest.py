"""What every room's tests share: the oracles, the browser, and time to think for Hypothesis."""

from hypothesis import settings

pytest_plugins = ["tests.oracle.programs", "tests.pictures.chromium"]

# How quick an example is depends on what else the machine is doing; how long a whole test takes is looked at elsewhere.
settings.register_profile("unhurried", parent=settings.default, deadline=None)
settings.load_profile("unhurried")
