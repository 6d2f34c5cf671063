"""Several replicas, as two devices of one process and as two processes: together they do what one device does. And
faces in a file larger than the memory."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from faceinpaint import config
from faceinpaint.config import UserError
from faceinpaint.runs import checkpoint
from faceinpaint.runs import folder as runs
from faceinpaint.system import devices as distribution
from faceinpaint.training import Run, _agree

ROOT = Path(__file__).parents[1]
LIMIT = 600  # seconds after which a process is taken to hang; a busy machine needs minutes
SETTINGS = config.preset("smoke", precision="float32", size=32, train_images=56, epochs=3)  # 3 x 7 steps
# Runs the command line with SETTINGS; `losses` receives both losses after each step.
COMMAND = """
import json, sys
import faceinpaint
from faceinpaint import __main__, celeba, config, pipeline
from faceinpaint.system import devices as distribution

from faceinpaint import training as module
losses, settings, *arguments = sys.argv[1:]
settings = config.from_dict(json.loads(settings))
vars(faceinpaint)["train"] = lambda _, *others: module.train(settings, *others)

class Tracing(module.callbacks.StopOnNaN):
    def on_train_batch_end(self, batch, logs):
        super().on_train_batch_end(batch, logs)
        with open(losses, "a") as file:
            file.write(json.dumps([float(logs["generator_loss"]), float(logs["discriminator_loss"])]) + "\\n")

module.callbacks.StopOnNaN = Tracing
"""
ONE_PROCESS = """
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
faces = celeba.prepare(arguments[2], settings).train
spread = distribution.chosen("mirrored")
assert spread.num_replicas_in_sync == 2
whole = pipeline.training_batches(faces, settings).take(3)
divided = iter(distribution.shares(spread, pipeline.training_batches(faces, settings)))
for batch in whole:
    for all_of_it, part in zip(batch, next(divided), strict=True):
        first, second = spread.experimental_local_results(part)
        assert len(first) == len(second) == settings.batch_size // 2
        assert not np.array_equal(first, second)
        assert np.array_equal(all_of_it, np.concatenate([first, second]))
run = arguments[4]
for strategy in ("none", "mirrored"):
    losses = f"{run}-{strategy}.losses"
    assert __main__.main([*arguments[:4], f"{run}-{strategy}", "--strategy", strategy]) == 0
"""


def start(code, data, losses, run, *options, **environment):
    words = [str(losses), json.dumps(asdict(SETTINGS)), "train", "--data", data, "--run", str(run), *options]
    home = {"FACEINPAINT_HOME": str(Path(data).with_name("prepared"))}
    environment = {**os.environ, **home, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code, *words], env=environment, text=True, stdout=pipe, stderr=pipe)


def ended(processes) -> list[tuple[int, str, str]]:
    """(exit code, output, errors) of each of `processes`, none of which outlives this."""
    try:
        written = [process.communicate(timeout=LIMIT) for process in processes]
        return [(process.returncode, *texts) for process, texts in zip(processes, written, strict=True)]
    finally:
        for process in processes:
            process.kill()


def free_ports(count) -> list[int]:
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start_workers(data, folder):
    """Two workers of one training; each is given a run directory of its own."""
    workers, code = [f"localhost:{port}" for port in free_ports(2)], f"{COMMAND}\nsys.exit(__main__.main(arguments))"
    for index in range(2):
        cluster = json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})
        name = folder / f"worker{index}"
        yield start(code, data, f"{name}.losses", name, "--strategy", "multiworker", TF_CONFIG=cluster)


def traced(path):
    return np.array([json.loads(line) for line in Path(path).read_text().splitlines()])


def numbers(history):
    return np.array([[line[name] for name in sorted(line)] for line in history])


@pytest.fixture(scope="module")
def one_process(face_archive, tmp_path_factory):
    """The path, less its ending, of two runs that one process with two devices has made: -none and -mirrored."""
    run = tmp_path_factory.mktemp("runs") / "run"
    [(code, output, errors)] = ended([start(COMMAND + ONE_PROCESS, str(face_archive), "", run)])
    assert code == 0, errors
    return run, output


def test_two_devices_train_as_one(one_process):
    run, _ = one_process
    alone, mirrored = (traced(f"{run}-{strategy}.losses") for strategy in ("none", "mirrored"))
    assert alone.shape == (21, 2)
    assert np.abs(mirrored - alone).max() < 1e-5
    histories = [numbers(runs.read_history(Path(f"{run}-{strategy}"))) for strategy in ("none", "mirrored")]
    assert np.abs(histories[0] - histories[1]).max() < 1e-5 * np.abs(histories[0]).max()
    states = [checkpoint.latest(Path(f"{run}-{strategy}", "checkpoint"))[1] for strategy in ("none", "mirrored")]
    for one, two in zip(*states, strict=True):
        assert np.allclose(one, two, atol=1e-4)
    assert "replicas" not in runs.read_environment(Path(f"{run}-none"))
    assert runs.read_environment(Path(f"{run}-mirrored"))["replicas"] == 2


def test_a_run_whose_worker_was_killed_goes_on_and_ends_as_one_device(one_process, face_archive, tmp_path):
    chief, other = start_workers(str(face_archive), tmp_path)
    timing, limit = tmp_path / "worker0" / "timing.jsonl", time.time() + LIMIT
    while not timing.is_file() and chief.poll() is None and time.time() < limit:
        time.sleep(0.05)
    other.send_signal(signal.SIGKILL)
    (code, _, errors), (killed, *_) = ended([chief, other])
    assert (code, killed) == (2, -signal.SIGKILL), errors
    assert re.match(r"faceinpaint: another worker was lost \(\w+Error\); give", errors.strip().splitlines()[-1])
    finished = len(runs.read_history(tmp_path / "worker0"))
    assert 1 <= finished < SETTINGS.epochs
    run, _ = one_process
    alone, begun = traced(f"{run}-none.losses"), traced(tmp_path / "worker0.losses")
    assert 7 <= len(begun) < len(alone)
    assert np.abs(begun - alone[: len(begun)]).max() < 1e-5
    for losses in tmp_path.glob("*.losses"):
        losses.unlink()

    (code, output, errors), (other_code, other_output, other_errors) = ended(
        [*start_workers(str(face_archive), tmp_path)]
    )
    assert (code, other_code) == (0, 0), errors + other_errors
    assert "epoch 3/3" in output
    assert "epoch" not in other_output
    assert not (tmp_path / "worker1").exists()
    left = traced(tmp_path / "worker0.losses")  # with those of the epochs before, all 21 steps
    assert len(left) == 7 * (SETTINGS.epochs - finished)
    assert np.abs(left - alone[finished * 7 :]).max() < 1e-5
    assert np.array_equal(left, traced(tmp_path / "worker1.losses"))
    expected, history = (numbers(runs.read_history(folder)) for folder in (Path(f"{run}-none"), tmp_path / "worker0"))
    assert np.abs(history - expected).max() < 1e-5 * np.abs(expected).max()
    assert (tmp_path / "worker0" / "generator.tflite").is_file()


@pytest.mark.parametrize(
    ("cluster", "problem"),
    [
        (None, "TF_CONFIG is not set; for the first of two: {"),
        ("{", "TF_CONFIG is malformed"),
        ("[]", "TF_CONFIG is malformed"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "TF_CONFIG is malformed"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}', "TF_CONFIG is malformed"),
    ],
)
def test_a_cluster_that_is_not_described_is_refused(cluster, problem, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if cluster:
        monkeypatch.setenv("TF_CONFIG", cluster)
    with pytest.raises(UserError, match=problem) as refusal:
        distribution.chosen("multiworker")
    example = json.loads(str(refusal.value).partition("two: ")[2])
    assert example["task"] == {"type": "worker", "index": 0}
    assert len(example["cluster"]["worker"]) == 2


def test_mirrored_on_one_device_is_one_device(capsys):
    assert distribution.chosen("mirrored") is distribution.chosen("none")
    assert capsys.readouterr().out == "strategy mirrored: there is only one device; training on it alone\n"
    with pytest.raises(UserError, match="strategy 'tpu': choose one of none, mirrored, multiworker"):
        distribution.chosen("tpu")


def test_a_batch_that_cannot_be_divided_is_refused_and_compiling_switched_off(capsys):
    three, four = (SimpleNamespace(num_replicas_in_sync=count) for count in (3, 4))
    with pytest.raises(UserError, match="batch_size 8: cannot be divided among 3 replicas; use as many devices"):
        distribution.checked(SETTINGS, three)
    assert distribution.checked(SETTINGS, four) is SETTINGS
    compiled = config.preset("smoke", jit_compile=True)
    assert distribution.checked(compiled, four) == config.preset("smoke", jit_compile=False)
    assert capsys.readouterr().out.startswith("jit_compile: switched off")
    assert distribution.checked(compiled, tf.distribute.get_strategy()) is compiled


def test_a_worker_with_other_settings_or_faces_is_refused(monkeypatch):
    faces = SimpleNamespace(train=np.zeros([4, 2, 2, 3]), names={"train": ["a"]})
    strategy = tf.distribute.get_strategy()
    seen = []
    monkeypatch.setattr(distribution, "from_chief", lambda _, value: seen.append(value) or seen[0])

    def agreed(settings, faces, finished=0):
        run = Run(settings, faces, strategy, finished=finished)
        _agree(run)
        return run.finished

    assert agreed(SETTINGS, faces, 2) == agreed(SETTINGS, faces) == 2
    for settings, names in ((config.preset("smoke"), ["a"]), (SETTINGS, ["b"])):
        others = SimpleNamespace(train=faces.train, names={"train": names})
        with pytest.raises(UserError, match="this worker has other settings, or other faces, than the first one"):
            agreed(settings, others)


PEAK = """
import json, sys, time
import cv2
import numpy as np
from tqdm import tqdm

def peak():  # MiB of memory that this process has had at most
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
"""
READ = """
from faceinpaint import config, pipeline

def read(faces, count):
    batches = iter(pipeline.training_batches(faces, settings, draw=pipeline.framed_example))
    next(batches)
    begun = time.process_time()  # of the processors, so that nothing else that runs there counts
    for _ in range(count // settings.batch_size):
        next(batches)
    return count / (time.process_time() - begun)

settings = config.preset("paper", batch_size=64)
faces = np.load(sys.argv[1], mmap_mode="r")
read(faces, 640)
before = peak()
read(faces, len(faces))
grown = peak() - before
part = faces[:3200]
held = np.array(part)
from_file, from_memory = zip(*[(read(part, 3200), read(held, 3200)) for _ in range(6)])
print(json.dumps([grown, max(from_file), max(from_memory)]))
"""
PREPARE = """
from pathlib import Path
from types import SimpleNamespace
from faceinpaint.celeba.cache import write_part

small = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8))[1].tobytes()
names = [f"{number:06d}.jpg" for number in range(12_000)]
source = SimpleNamespace(read=lambda names: ((name, b"" if name == names[3] else small) for name in names))
before = peak()
kept = write_part(Path(sys.argv[1]), source, names, len(names), 128, [], tqdm(total=len(names), disable=True))
print(json.dumps([peak() - before, len(kept)]))
"""


def measured(code, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", PEAK + code, *map(str, arguments)]
    run = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=LIMIT)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_faces_that_exceed_the_memory_are_read_at_full_speed(tmp_path):
    path = tmp_path / "train.npy"
    shape = (20_000, 128, 128, 3)
    np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)  # 937 MiB, none of them on the disk yet
    grown, from_file, from_memory = measured(READ, path)
    assert grown < 150, f"{grown:.0f} MiB more in memory when all had been read"
    assert from_file >= 0.8 * from_memory, f"{from_file:.0f} faces/s, {from_memory:.0f} when they are held in memory"


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_faces_that_exceed_the_memory_are_prepared(tmp_path):
    grown, kept = measured(PREPARE, tmp_path / "train.npy")  # 562 MiB, all but three rows moved up by one
    assert kept == 11_999
    assert np.load(tmp_path / "train.npy", mmap_mode="r").shape == (11_999, 128, 128, 3)
    assert grown < 250, f"{grown:.0f} MiB more in memory"
