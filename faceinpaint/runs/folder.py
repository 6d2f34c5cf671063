"""Run directories: what they record, how they are found again, repaired and emptied.

The last whole checkpoint is the truth: it holds config, environment and history of the run as well as its weights, and
whatever their files say otherwise is written again from there.
"""

import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path

from faceinpaint.config import UserError, from_dict, read, to_json
from faceinpaint.runs import checkpoint
from faceinpaint.system.files import remove_partial, write_text

EXPORTED = "generator.tflite"  # the generator in a run directory that needs no TensorFlow
WEIGHTS = Path(__file__).parents[1] / "weights"  # the run directory that comes with the package


def lines(entries: list[dict]) -> str:
    """`entries` as JSON, one a line."""
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def _files(run_dir: Path) -> list[Path]:
    return sorted(path for path in run_dir.iterdir() if path.name != ".lock") if run_dir.is_dir() else []


def check_discardable(run_dir: Path):
    """Refuses to empty a folder that is not a run's."""
    if _files(run_dir) and not (run_dir / "config.json").exists():
        raise UserError(f"{run_dir}: not a run directory (it has no config.json); --fresh will not empty it")


def discard(run_dir: Path):
    """Empties `run_dir`, checkpoints first and config last: stopped on the way, it is a run of fewer epochs, then one
    that only --fresh begins again."""
    files = _files(run_dir)
    if files:
        print(f"{run_dir}: discarding {', '.join(path.name for path in files)}")
    for path in reversed(checkpoint.saved(run_dir / "checkpoint")):
        path.unlink()
    for path in sorted(files, key=lambda path: (path.name == "config.json", path.name == "history.jsonl")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def read_environment(run_dir: Path) -> dict:
    """What `environment.json` says of the training in `run_dir`. Raises `UserError` when it cannot be read."""
    path = run_dir / "environment.json"
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); use another --run, or --fresh") from error


def read_history(run_dir: Path) -> list[dict]:
    """The history in `run_dir`, a dict for each finished epoch. Raises `UserError` when it cannot be read."""
    path = run_dir / "history.jsonl"
    try:
        lines = path.read_text().splitlines() if path.is_file() else []
        return [dict(json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError) as error:
        again = "give the command of the training again: it repairs this file"
        raise UserError(f"{path}: cannot be read ({error}); {again}") from error


def provenance(run: Path) -> dict:
    """What a run directory says of itself: config, environment, history. Raises `UserError` when it cannot be read."""
    return {
        "config": asdict(read(run / "config.json")),
        "environment": read_environment(run),
        "history": read_history(run),
    }


def texts(record: dict) -> dict[str, str]:
    """The files that tell what `record` holds, by their names."""
    return {
        "environment.json": json.dumps(record["environment"], indent=2) + "\n",
        "history.jsonl": lines(record["history"]),
        "config.json": to_json(from_dict(record["config"])),  # last: it makes the folder a run directory
    }


def write(run_dir: Path, record: dict):
    """Writes the files that `record` holds, where they are missing or not as the run left them."""
    for name, text in texts(record).items():
        path = run_dir / name
        if path.exists() and path.read_bytes() != text.encode():
            print(f"{path}: not as the last checkpoint has it; written again from there")
        if not path.exists() or path.read_bytes() != text.encode():
            write_text(path, text)


def cut_back(run_dir: Path, finished: int):
    """Removes what a killed process half wrote, and the grids of epochs that are to be trained again."""
    remove_partial(run_dir)
    for grid in (run_dir / "grids").glob("epoch_*.png"):
        epoch = re.fullmatch(r"epoch_(\d+)", grid.stem)
        if epoch and int(epoch[1]) > finished:
            grid.unlink()


def trained_file(run: str | Path | None, name: str, remedy: str) -> Path:
    """The file `name` of the run directory `run`; of the weights that come with the package when it is None.

    Raises `UserError`, with the `remedy` for a run that lacks it, when there is none.
    """
    path = (WEIGHTS if run is None else Path(run)) / name
    if path.is_file():
        return path
    if run is None:
        raise UserError(f"{path}: the trained weights are not here; install them anew, or give a run with --run")
    raise UserError(f"{path}: no trained generator; {remedy}")
