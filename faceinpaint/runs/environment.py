"""What a result depends on besides the config: data, code, machine."""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf

from faceinpaint import celeba
from faceinpaint.config import Config, UserError, from_dict, read
from faceinpaint.runs import checkpoint
from faceinpaint.runs.folder import provenance, read_environment, trained_file


def identity(faces: celeba.Faces) -> str:
    """Changes when other faces, or the same ones in another order, are trained on, validated on or tested on."""
    return hashlib.sha256(json.dumps([faces.train.shape, faces.names]).encode()).hexdigest()


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.is_file() else None
    return model[1] if model else platform.processor()


def _commit() -> str:
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip() if shutil.which("git") else ""
    return commit or "unknown"


def environment(faces: celeba.Faces) -> dict:
    """What a result depends on besides the config: data, code, machine."""
    threading, replicas = tf.config.threading, tf.distribute.get_strategy().num_replicas_in_sync
    return {
        "data": faces.description,
        "faces": identity(faces),
        "commit": _commit(),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "machine": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": [threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads()],
        "gpus": [gpu.name for gpu in tf.config.list_physical_devices("GPU")],
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1"),
        **({"replicas": replicas} if replicas > 1 else {}),
    }


def find(run_dir: Path, config: Config, faces: celeba.Faces, start=None) -> tuple[dict, list[np.ndarray] | None]:
    """The record of the run in `run_dir` and the values of its last whole checkpoint; without one, None for these.

    A record is a dict of "config", "environment" and "history"; that of a new run says in its environment what the
    run directory `start`, from whose generator it begins, says of itself. Raises `UserError` where a run cannot be gone
    on with.
    """
    if found := checkpoint.latest(run_dir / "checkpoint"):
        return found
    history = run_dir / "history.jsonl"
    if history.is_file() and history.stat().st_size:
        raise UserError(f"{run_dir}: has a history but no checkpoint; use another --run, or start over with --fresh")
    if not (run_dir / "config.json").is_file():
        begun_from = {"start": _checked_start(start, config)} if start else {}
        return {"config": asdict(config), "environment": environment(faces) | begun_from, "history": []}, None
    begun = asdict(read(run_dir / "config.json"))
    return {"config": begun, "environment": read_environment(run_dir), "history": []}, None


def _checked_start(start: str | Path, config: Config) -> dict:
    """What a record says of the run `start`. Refuses one whose generator a run of `config` cannot begin with."""
    folder = trained_file(start, "generator.keras", f"train one with: python -m faceinpaint train --run {start}").parent
    told, asked = provenance(folder), asdict(config)
    for key in ("size", "generator", "generator_widths"):
        if told["config"][key] != asked[key]:
            raise UserError(f"--start {start}: {key} {told['config'][key]} there, {asked[key]} asked; give another run")
    return {"folder": str(start), **told}


def start_of(record: dict) -> str | None:
    """The run directory from whose generator the run of this `record` began."""
    return record["environment"].get("start", {}).get("folder")


def check_same(run_dir: Path, record: dict, config: Config, faces: celeba.Faces, start=None):
    """Refuses to go on with a run that was begun with other settings, other data or from another `start`, where one is
    asked. Prints a line when code or machine are others, for then the bits may be."""
    old, new = asdict(from_dict(record["config"])), asdict(config)
    changed = [f"{key} {old[key]} there, {new[key]} asked" for key in new if old[key] != new[key]]
    begun, now = record["environment"], environment(faces)
    if begun.get("faces") != now["faces"]:
        changed.append(f"data «{begun.get('data')}» there, «{now['data']}» asked")
    if start and start_of(record) != str(start):
        changed.append(f"start {start_of(record)} there, {start} asked")
    if changed:
        raise UserError(f"{run_dir}: begun with other settings ({'; '.join(changed)}); use another --run, or --fresh")
    others = [key for key in begun | now if key not in ("data", "start") and begun.get(key) != now.get(key)]
    if others and len(record["history"]) < config.epochs:
        print(f"{run_dir}: begun with another {', '.join(others)}; goes on, not bit for bit as it would have there")
