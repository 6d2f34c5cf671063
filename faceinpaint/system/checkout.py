"""Which code is at work."""

import shutil
import subprocess
from pathlib import Path


def commit() -> str:
    """The commit of this checkout, with "-dirty" where files differ from it; "unknown" outside a git checkout."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    described = subprocess.run(git, capture_output=True, text=True).stdout.strip() if shutil.which("git") else ""
    return described or "unknown"
