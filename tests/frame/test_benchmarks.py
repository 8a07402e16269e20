"""The benchmarks' one command finds every benchmark, prints what it is told, and judges by the goals."""

import json
import subprocess
import sys

import pytest

from benchmarks.__main__ import names
from benchmarks.row import Row
from tests.frame.tree import ROOT


@pytest.mark.parametrize(
    ("ratio", "better", "met"), [(3, "lower", True), (3.1, "lower", False), (3, "higher", True), (2.9, "higher", False)]
)
def test_a_goal_is_a_least_or_a_most(ratio: float, better: str, met: bool) -> None:
    row = Row(name="x", ours="1", theirs="2", ratio=ratio, goal=3, better=better)  # type: ignore[arg-type]
    assert row.met is met
    assert row.as_dict()["met"] is met


def test_a_figure_without_a_goal_misses_none() -> None:
    assert Row(name="x", ours="1", theirs="2", ratio=0.1, goal=None).met


def test_every_benchmark_is_found() -> None:
    assert {"compose", "imports", "memory", "messages", "startup"} <= set(names())
    assert not {"row", "__main__", "__init__"} & set(names())


def test_one_benchmark_can_be_run_alone_and_tells_json() -> None:
    """The start of the command is measured; that it is quick is the benchmark's word, not this test's."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "startup", "--json"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    (row,) = json.loads(done.stdout)
    assert row["name"] == "start: newsletter --help"
    assert done.returncode == (0 if row["met"] else 1)


def test_an_unknown_benchmark_is_told() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "nothing"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "there is no benchmark nothing" in done.stderr
