"""Run directories: what they record, how they are found again, repaired and emptied. No TensorFlow.

The last whole checkpoint is the truth. It holds config, environment and history of the run as well as its weights, and
what their files say otherwise is written again from there.
"""

import json
import re
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from faceinpaint.config import Config, UserError, read, revived, to_json
from faceinpaint.runs import checkpoint
from faceinpaint.system.files import locked, remove_partial, write_text

EXPORTED = "generator.tflite"  # the generator in a run directory that needs no TensorFlow
WEIGHTS = Path(__file__).parents[1] / "weights"  # the run directory that comes with the package
OCTAVE = "octave"  # and in it that of the same an octave finer, for LiteRT alone
TIMES = "timing.jsonl"
PARTS = ("grids", "checkpoint")  # the folders in a run directory
# Every name that a run writes in its directory, hidden ones while it writes. No other file is ever touched there.
WRITTEN = re.compile(
    r"(config|environment)\.json|(history|timing)\.jsonl|(losses|filmstrip)\.png|progress\.gif|generator\.(keras|tflite)"
    r"|grids(/epoch_\d+\.png)?|checkpoint(/epoch_\d+\.npz)?|(\w+/)?\.[^/]*\.partial[^/]*"
)
NOT_COMPARED = ("data", "start")  # what an environment tells that is no part of the machine


@dataclass
class Record:
    """What a run says of itself.

    Attributes:
        config: its settings.
        environment: what its result depends on besides them: data, code, machine; under "start", all that the run says
            of itself from whose generator it began.
        history: a dict for each finished epoch: "epoch", losses, validation PSNR.
    """

    config: Config
    environment: dict
    history: list[dict] = field(default_factory=list)

    @classmethod
    def of(cls, told: dict, where: Path) -> "Record":
        """The record that `to_dict` made, perhaps in an earlier version."""
        return cls(revived(told["config"], where), told["environment"], told["history"])

    def to_dict(self) -> dict:
        return asdict(self)

    def texts(self) -> dict[str, str]:
        """The files that tell of it, by their names."""
        return {
            "environment.json": json.dumps(self.environment, indent=2) + "\n",
            "history.jsonl": lines(self.history),
            "config.json": to_json(self.config),  # last: it makes the folder a run directory
        }


def lines(entries: list[dict]) -> str:
    """`entries` as JSON, one a line."""
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def read_environment(folder: Path) -> dict:
    """What `environment.json` says of the training in `folder`. Raises `UserError` when it cannot be read."""
    path = folder / "environment.json"
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); use another --run, or --fresh") from error


def _read_lines(path: Path, remedy: str) -> list[dict]:
    """What `lines` wrote into `path`; [] where there is no such file. Raises `UserError` when it cannot be read."""
    try:
        return [dict(json.loads(line)) for line in path.read_text().splitlines()] if path.is_file() else []
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); {remedy}") from error


def read_history(folder: Path) -> list[dict]:
    """The history in `folder`, a dict for each finished epoch. Raises `UserError` when it cannot be read."""
    return _read_lines(folder / "history.jsonl", "give the command of the training again: it repairs this file")


def read_times(folder: Path) -> list[dict]:
    """When each epoch in `folder` ended and how many seconds it took; [] where that was not recorded. Raises
    `UserError` when it cannot be read."""
    return _read_lines(folder / TIMES, "take the broken line out of it")


def times_before(folder: Path, epoch: int) -> list[dict]:
    """What `timing.jsonl` in `folder` has of earlier epochs than `epoch`, but for lines that were cut off."""
    path, kept = folder / TIMES, []
    for line in path.read_text(errors="replace").splitlines() if path.is_file() else ():
        with suppress(ValueError, TypeError, KeyError):
            kept += [timed] if (timed := json.loads(line))["epoch"] < epoch else []
    return kept


def record_in(folder: Path) -> Record:
    """What the files in a run directory say. Raises `UserError` when one cannot be read."""
    return Record(read(folder / "config.json"), read_environment(folder), read_history(folder))


def finest() -> Path:
    """The folder of the finest weights that come with the package, those that photographs are repaired with."""
    return trained_file(None, EXPORTED, "").parent


def trained_file(run: str | Path | None, name: str, remedy: str) -> Path:
    """The file `name` of the run directory `run`; of the finest weights that come with the package when it is None.

    Raises `UserError`, with the `remedy` for a run that lacks it, when there is none.
    """
    folders = [WEIGHTS / OCTAVE, WEIGHTS] if run is None else [Path(run)]
    path = next((folder / name for folder in folders if (folder / name).is_file()), folders[-1] / name)
    if path.is_file():
        return path
    if run is None:
        raise UserError(f"{path}: the trained weights are not here; install them anew, or give a run with --run")
    raise UserError(f"{path}: no trained generator; {remedy}")


def find(folder: Path, config: Config, environment: dict, start=None) -> tuple[Record, list[np.ndarray] | None]:
    """The record of the run in `folder`, and the values of its last whole checkpoint: None before the first.

    Args:
        folder: the run directory, which may be new.
        config: the settings of a new run.
        environment: what a new run depends on.
        start: the run directory from whose generator a new run begins.

    Raises:
        UserError: the run cannot go on.
    """
    if found := checkpoint.latest(folder / "checkpoint"):
        told, values = found
        return Record.of(told, folder), values
    history = folder / "history.jsonl"
    if history.is_file() and history.stat().st_size:
        raise UserError(f"{folder}: has a history but no checkpoint; use another --run, or start over with --fresh")
    if (folder / "config.json").is_file():
        return Record(read(folder / "config.json"), read_environment(folder)), None
    record = Record(config, environment | ({"start": told_of(start)} if start else {}))
    _check_untaken(folder, record)
    return record, None


def told_of(start: str | Path) -> dict:
    """What an environment says of the run `start`. Raises `UserError` when that has no trained generator."""
    remedy = f"train one with: python -m faceinpaint train --run {start}"
    told = record_in(trained_file(start, "generator.keras", remedy).parent)
    return {"folder": str(start), **told.to_dict()}


def start_of(record: Record) -> str | None:
    """The run directory from whose generator the run of this `record` began."""
    return record.environment.get("start", {}).get("folder")


def check_same(folder: Path, record: Record, config: Config, environment: dict, start=None):
    """Refuses to go on with a run that was begun with other settings, other data, or from another `start`.

    Prints a line when code or machine are others, for then the bits may be.
    """
    old, new = asdict(record.config), asdict(config)
    changed = [f"{key} {old[key]} there, {new[key]} asked" for key in new if old[key] != new[key]]
    begun = record.environment
    if begun.get("faces") != environment["faces"]:
        changed.append(f"data «{begun.get('data')}» there, «{environment['data']}» asked")
    told = start_of(record)
    if start and (told is None or Path(told) != Path(start)):
        changed.append(f"start {told} there, {start} asked")
    if changed:
        raise UserError(f"{folder}: begun with other settings ({'; '.join(changed)}); use another --run, or --fresh")
    keys = [key for key in begun | environment if key not in NOT_COMPARED]
    others = [key for key in keys if begun.get(key) != environment.get(key)]
    if others and len(record.history) < config.epochs:
        print(f"{folder}: begun with another {', '.join(others)}; goes on, not bit for bit as it would have there")


def write_record(folder: Path, record: Record):
    """Writes the files that tell of `record`, where they are missing or not as the run left them."""
    for name, text in record.texts().items():
        path = folder / name
        if path.exists() and path.read_bytes() != text.encode():
            print(f"{path}: not as the last checkpoint has it; written again from there")
        if not path.exists() or path.read_bytes() != text.encode():
            write_text(path, text)


def cut_back(folder: Path, finished: int):
    """Removes what a killed process half wrote, and the grids of epochs that are to be trained again."""
    remove_partial(folder, *(folder / part for part in PARTS))
    for grid in (folder / "grids").glob("epoch_*.png"):
        epoch = re.fullmatch(r"epoch_(\d+)", grid.stem)
        if epoch and int(epoch[1]) > finished:
            grid.unlink()


def check_place(folder: Path, fresh=False):
    """Refuses, before any work, a `folder` that cannot be made or written to, or that `fresh` may not empty."""
    try:
        place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); use another --run") from error
    if fresh:
        _check_discardable(folder)


@contextmanager
def owned(folder: Path, fresh=False):
    """The run directory `folder`, made where it is missing, is this process's alone; with `fresh` it is emptied first.

    Raises `UserError` when another training has it, and when `fresh` names a folder that is not a run's.
    """
    if fresh:
        _check_discardable(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        if fresh:
            _discard(folder)
        yield


def _content(folder: Path) -> list[Path]:
    """What lies in `folder`, and in those folders in it that a run has; all but the lock."""
    places = [place for place in (folder, *(folder / part for part in PARTS)) if place.is_dir()]
    return sorted(path for place in places for path in place.iterdir() if path != folder / ".lock")


def _name(folder: Path, path: Path) -> str | None:
    """What a run calls `path` in its `folder`; None for what it does not write."""
    name = path.relative_to(folder).as_posix()
    return name if WRITTEN.fullmatch(name) and path.is_dir() <= (name in PARTS) else None


def _check_untaken(folder: Path, record: Record):
    """Refuses to begin the run of `record` where files that are not its own have names that it writes. Its own are
    those that a process left that was killed as it began."""
    own = record.texts()
    for path in _content(folder):
        name = _name(folder, path)
        if name is None or name in PARTS or ".partial.json" in name:
            continue
        if name not in own or path.read_bytes() != own[name].encode():
            raise UserError(f"{path}: in the way of a new run, which has a file of this name; use another --run")


def _check_discardable(folder: Path):
    content, told = _content(folder), folder / "config.json"
    begun = told.is_file() and (checkpoint.saved(folder / "checkpoint") or b"train_images" in told.read_bytes())
    if content and not begun:
        raise UserError(f"{folder}: not a run directory (it has no config.json of one); --fresh will not empty it")
    if foreign := [path for path in content if not _name(folder, path)]:
        raise UserError(f"{foreign[0]}: no run wrote it, and --fresh would discard it; move it, or use another --run")


def _discard(folder: Path):
    """Empties `folder`, checkpoints first and config last: stopped on the way, it is a run of fewer epochs, then one
    that only --fresh begins again."""
    content = _content(folder)
    if content:
        print(f"{folder}: discarding {', '.join(path.name for path in content if path.parent == folder)}")
    for path in reversed(checkpoint.saved(folder / "checkpoint")):
        path.unlink()
    last = ("history.jsonl", "config.json")
    for path in sorted(reversed(content), key=lambda path: last.index(path.name) if path.name in last else -1):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
