"""Stops training runs N times (50 unless given), mostly with SIGKILL and at random moments, and compares what becomes
of them with a run that was left alone: weights, optimizers, history and grids must be the same to the last bit.

    .venv/bin/python tests/soak_resume.py [N]

Every process is the real command line, on small faces drawn for it. A line for each stop, then the verdict; exit 1 when
a run differs. About 10 seconds for each stop on two free cores.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import asdict
from pathlib import Path

from faceinpaint.config import Config, preset
from faceinpaint.runs import checkpoint

ROOT = Path(__file__).resolve().parents[1]
COMMAND = """
import json, signal, sys
import faceinpaint
from faceinpaint import __main__, config

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what is started in the background
settings, *arguments = sys.argv[1:]
settings = config.from_dict(json.loads(settings))
vars(faceinpaint)["train"] = lambda _, *others: faceinpaint.__getattr__("train")(settings, *others)
sys.exit(__main__.main(arguments))
"""
EXIT = {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143}


def start(root: Path, settings: Config, data: str, run: Path) -> subprocess.Popen:
    """`python -m faceinpaint train`, with `settings` and with `root` for its folder of data."""
    words = [json.dumps(asdict(settings)), "train", "--data", data, "--run", str(run)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FACEINPAINT_HOME": str(root)}
    command = [sys.executable, "-c", COMMAND, *words]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def epochs_timed(run: Path) -> int:
    timing = run / "timing.jsonl"
    return len(timing.read_text().splitlines()) if timing.is_file() else 0


def wait_for_epoch(process: subprocess.Popen, run: Path):
    """Until `process` has finished an epoch, or ended."""
    before = epochs_timed(run)
    while epochs_timed(run) == before and process.poll() is None:
        time.sleep(0.01)


def stop(process: subprocess.Popen, after: float, how: signal.Signals) -> tuple[int, str]:
    """Exit code and errors of `process`, to which the signal `how` is sent in `after` seconds unless it ends before."""
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.send_signal(how)
    errors = process.communicate()[1]
    return process.returncode, errors


def outcome(run: Path) -> dict[str, str]:
    """What a run has come to, as checksums: the values in the last checkpoint, the history, each grid."""
    record, values = checkpoint.latest(run / "checkpoint")
    state = hashlib.sha256(b"".join(value.tobytes() for value in values)).hexdigest()
    files = [run / "history.jsonl", *sorted((run / "grids").iterdir())]
    sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return {"epochs": str(len(record["history"])), "state": state, **sums}


def draw_faces(path: Path) -> str:
    """An archive of the tests' faces at `path`."""
    from conftest import NUMBERS, draw_face, jpeg

    with zipfile.ZipFile(path, "w") as archive:
        for number in NUMBERS:
            archive.writestr(f"img_align_celeba/{number:06d}.jpg", jpeg(draw_face(number)))
    return str(path)


def stopped_once(count: int, process: subprocess.Popen, run: Path, longest: float, rng: random.Random) -> bool:
    """Whether `process` was stopped, in its start or in or between two epochs, before it ended by itself."""
    begun, early = time.time(), rng.random() < 0.25
    how = rng.choice([signal.SIGKILL] * 8 + [signal.SIGINT, signal.SIGTERM]) if not early else signal.SIGKILL
    if not early:
        wait_for_epoch(process, run)
    code, errors = stop(process, rng.uniform(0, longest if early else 2.5), how)
    if code == 0:
        return False
    assert code == EXIT[how], f"exit {code} after {how.name}: {errors}"
    assert how == signal.SIGKILL or "goes on from what is finished" in errors.splitlines()[-1], errors
    history = run / "history.jsonl"
    epochs = len(history.read_text().splitlines()) if history.is_file() else 0
    partial = ", ".join(path.name for path in run.rglob(".*.partial*"))
    left = f"; half-written: {partial}" if partial else ""
    print(f"stop {count}: {how.name} after {time.time() - begun:.1f} s, {epochs} epochs finished{left}", flush=True)
    return True


def soak(stops: int, folder: Path, seed: int) -> bool:
    """Whether all runs, stopped `stops` times together, ended as the one that was left alone."""
    settings, data, rng = preset("smoke", epochs=10), draw_faces(folder / "soak.zip"), random.Random(seed)
    begun = time.time()
    code, errors = stop(start(folder, settings, data, folder / "alone"), 1e6, signal.SIGTERM)
    assert code == 0, errors
    longest, expected = time.time() - begun, outcome(folder / "alone")
    print(f"seed {seed}; the run left alone took {longest:.1f} s for {settings.epochs} epochs", flush=True)
    count, same = 0, []
    while count < stops:
        run = folder / f"run{len(same)}"
        while count < stops and stopped_once(count + 1, start(folder, settings, data, run), run, longest, rng):
            count += 1
        code, errors = stop(start(folder, settings, data, run), 1e6, signal.SIGTERM)
        assert code == 0, errors
        found = outcome(run)
        differing = [name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)]
        same.append(not differing)
        print(f"run {len(same)}: {'the same' if same[-1] else f'DIFFERENT {sorted(differing)}'}", flush=True)
    print(f"{count} stops; {sum(same)} of {len(same)} runs ended as the one left alone, bit for bit")
    return all(same)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        asked = int(sys.argv[1]) if len(sys.argv) > 1 else 50
        sys.exit(not soak(asked, Path(temporary), int(time.time())))
