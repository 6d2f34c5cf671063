"""How much memory a process has had. No TensorFlow here."""

import re
import resource
import sys
from pathlib import Path


def peak_gib() -> float:
    """The most memory this process has had. Linux passes `ru_maxrss` on from the parent: its own is in /proc."""
    status = Path("/proc/self/status")
    if status.is_file():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** (30 if sys.platform == "darwin" else 20)
