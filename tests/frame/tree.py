"""What belongs to the repository, so that the tests of the tree look at it and at nothing else."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_OURS = {".git", ".venv", "node_modules", "outbox", "dist", "build", "__pycache__"}
BINARY = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".ico", ".db", ".pyc"}


@cache
def files() -> tuple[Path, ...]:
    """Every file that git keeps or would keep; in a copy without git, every file outside the usual folders."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode == 0 and (ROOT / ".git").exists():
        names = (Path(name) for name in listed.stdout.decode().split("\0") if name)
    else:
        names = (path.relative_to(ROOT) for path in ROOT.rglob("*"))
    ours = (name for name in names if not NOT_OURS & set(name.parts) and not name.parts[0].endswith("_cache"))
    return tuple(sorted(ROOT / name for name in ours if (ROOT / name).is_file()))


def texts() -> list[tuple[str, str]]:
    """The text files: name as in the repository, and content."""
    return [
        (path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8", errors="replace"))
        for path in files()
        if path.suffix not in BINARY
    ]
