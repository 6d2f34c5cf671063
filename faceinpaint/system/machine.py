"""What a result was made by: the commit of the code, versions, processor. No TensorFlow, but of its devices where it is
loaded."""

import os
import platform
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

SHOWN = {"tensorflow": "TensorFlow", "keras": "Keras", "numpy": "NumPy", "opencv-python": "OpenCV"}


def commit() -> str:
    """The commit of the code, "-dirty" when the package was changed since, or "unknown" outside a git checkout.

    Results and notebooks may have changed: one study's file does not taint the next one's.
    """
    if not shutil.which("git"):
        return "unknown"
    git = ["git", "-C", str(Path(__file__).parents[1])]
    head, changed = (
        subprocess.run([*git, *words], capture_output=True, text=True).stdout.strip()
        for words in (["rev-parse", "HEAD"], ["diff", "--name-only", "HEAD", "--", "."])
    )
    return f"{head}{'-dirty' if changed else ''}" if head else "unknown"


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.is_file() else None
    return model[1] if model else platform.processor()


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def device() -> str:
    """The GPUs that a loaded TensorFlow sees, else the processor."""
    config = sys.modules["tensorflow"].config if "tensorflow" in sys.modules else None
    gpus = config.list_physical_devices("GPU") if config else []
    details = [config.experimental.get_device_details(gpu) for gpu in gpus]
    return ", ".join(gpu.get("device_name", "GPU") for gpu in details) or f"{processor()}, {cores()} cores"


def line(preset: str) -> str:
    """What made the figures of a notebook, in one line: commit, preset, versions, device."""
    versions = ", ".join(f"{name} {version(package)}" for package, name in SHOWN.items())
    return f"made by commit {commit()}, preset {preset}; Python {platform.python_version()}, {versions}; {device()}"
