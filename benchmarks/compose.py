"""What composing costs, against npm `mjml` warm inside its own process, on the MJML of the same edition.

Both take the best of many runs, as each is called by default; the ratio is the time of npm `mjml` over ours. Three
rows: the compiler alone, for which the goal stands; one variant as the product makes it, with the checks of what came
back, the slots found, and the plain text; and the whole edition, with YAML, pictures, Markdown and templates besides.
"""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from mjml import mjml2html

from benchmarks.row import Row
from newsletter.app import Newsletter

ROOT = Path(__file__).parents[1]
EDITION = "data-sharing"
SECONDS = 3.0


def rows() -> Iterator[Row]:
    """The compiler alone, a variant, the whole edition."""
    newsletter = Newsletter.open(ROOT)
    composition, _ = newsletter.compose(EDITION)
    everything = (True,) * len(composition.conditions)
    source = composition.variant(everything).mjml

    def compiler() -> object:
        return mjml2html(source, fonts={})

    def variant() -> object:
        return replace(composition, _variants={}).variant(everything)

    def whole() -> object:
        return newsletter.compose(EDITION)[0].variant(everything)

    theirs = npm(source)
    for name, goal, work in (
        ("MJML to HTML", 30, compiler),
        ("one variant, checked, HTML and text", None, variant),
        ("a whole edition, from its files", None, whole),
    ):
        ours = best(work)
        yield Row(
            name=f"compose: {name}",
            ours=f"{ours * 1000:.2f} ms",
            theirs=f"npm mjml 5, MJML to HTML: {theirs * 1000:.2f} ms",
            ratio=theirs / ours,
            goal=goal,
        )


def best(work: Callable[[], object]) -> float:
    """Seconds of the quickest run."""
    times = []
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def npm(source: str) -> float:
    """The same with npm `mjml`."""
    node = shutil.which("node")
    if node is None:
        raise SystemExit("Node.js is not here, and this benchmark compares with it. Run scripts/setup tests.")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "edition.mjml")
        file.write_text(source, encoding="utf-8")
        command = [node, str(Path(__file__).with_name("compose_oracle.mjs")), str(file), str(SECONDS)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(json.loads(done.stdout)["best"]) / 1000
