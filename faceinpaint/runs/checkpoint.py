"""Checkpoints: what training has changed and the record of the run until then, with a checksum; the last one and the
one before it are kept. No TensorFlow."""

import hashlib
import json
from pathlib import Path

import numpy as np

from faceinpaint.config import UserError
from faceinpaint.system.files import replacing

KEPT = 2


def saved(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, the last one last."""
    return sorted(folder.glob("epoch_*.npz"), key=lambda path: (len(path.name), path.name))


def finished(folder: Path) -> int:
    """How many epochs the last checkpoint in `folder` says, by its name, are finished."""
    return max((int(path.stem.removeprefix("epoch_")) for path in saved(folder)), default=0)


def _checksum(arrays: dict[str, np.ndarray]) -> str:
    """SHA-256 over names, types, shapes and contents."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def save(folder: Path, variables, record: dict):
    """Writes `epoch_NNN.npz`: `variables` and `record`, whose "history" has a line for each finished epoch.

    The same state and record make the same file, byte for byte. Raises `UserError` when the disk is full.
    """
    arrays = {f"{index:04d}": variable.numpy() for index, variable in enumerate(variables)}
    arrays["record"] = np.frombuffer(json.dumps(record).encode(), np.uint8)
    with replacing(folder / f"epoch_{len(record['history']):03d}.npz") as temporary:
        np.savez(temporary, sha256=_checksum(arrays), **arrays)
    for old in saved(folder)[:-KEPT]:
        old.unlink()


def _read(path: Path) -> tuple[dict, list[np.ndarray]]:
    with np.load(path, allow_pickle=False) as state:
        arrays = dict(state)
    if str(arrays.pop("sha256")) != _checksum(arrays):
        raise ValueError("wrong checksum")
    return json.loads(bytes(arrays.pop("record"))), [array for _, array in sorted(arrays.items())]


def latest(folder: Path) -> tuple[dict, list[np.ndarray]] | None:
    """Record and values of the last checkpoint in `folder` that is whole, or None when there is no checkpoint.

    Prints a line for each damaged one that it passes over. Raises `UserError` when all are damaged.
    """
    problem = ""
    for path in reversed(saved(folder)):
        if problem:
            print(f"{problem}; going on from {path.name}")
        try:
            return _read(path)
        except Exception as error:  # a damaged zip raises a dozen kinds
            problem = f"{path}: damaged checkpoint ({type(error).__name__}: {' '.join(str(error).split())})"
    if problem:
        raise UserError(f"{problem}; start over with --fresh")
    return None


def assign(variables, values: list[np.ndarray]):
    """Puts the `values` of a checkpoint into `variables`. Raises `UserError`, and changes none, if they do not fit."""
    if [tuple(variable.shape) for variable in variables] != [value.shape for value in values]:
        raise UserError("checkpoint: made by another version of the networks; use another --run, or --fresh")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
