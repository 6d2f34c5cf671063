"""What befalls a run from outside: it is killed between any two file operations, the disk is full, files are spoiled,
two processes want the same. Networks are replaced by a stand-in here, for speed; `test_train.py` stops real ones."""

import errno
import importlib.util
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import draw_face, jpeg
from PIL import Image
from soak_resume import outcome
from test_celeba import TINY, prepare, write_zip

import faceinpaint
from faceinpaint import config
from faceinpaint.__main__ import main
from faceinpaint.config import UserError
from faceinpaint.runs import checkpoint
from faceinpaint.runs import folder as runs
from faceinpaint.variations import SYSTEMS, build

ROOT = Path(__file__).parents[1]
EPOCHS = 3


class StandIn:
    """Trains in no time, on nothing; its state after an epoch depends on the state before it alone."""

    training_example = fixed_examples = None
    jit_compile = False

    def __init__(self, settings):
        self.state_variables = [tf.Variable(np.linspace(0, 1, count, dtype=np.float32)) for count in (3, 500)]
        self.averaged_generator = keras.Sequential([keras.Input((4,)), keras.layers.Dense(50)])

    def compile(self, steps):
        pass

    def generate(self, filled_image, mask):
        return filled_image * tf.reduce_mean(self.state_variables[1])

    def restore(self, images, masks):
        return images

    def fit(self, batches, initial_epoch, epochs, callbacks, **_):
        for callback in callbacks:
            callback.set_model(self)
            callback.on_train_begin()
        for epoch in range(initial_epoch, epochs):
            for callback in callbacks:
                callback.on_epoch_begin(epoch)
            for variable in self.state_variables:
                variable.assign(variable * 0.9 + 0.1 * epoch)
            names = ("generator_loss", "discriminator_loss", "adversarial_loss", "reconstruction_loss")
            logs = dict.fromkeys((*names, "val_psnr", "val_hole_psnr"), float(self.state_variables[0][1]))
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs)


def small_figure(history):
    return SimpleNamespace(savefig=lambda path, dpi: Path(path).write_bytes(b"figure" * len(history)))


@pytest.fixture
def stand_in(monkeypatch, face_archive, tmp_path_factory):
    """`train` with the stand-in for networks and nothing that takes time. Returns the archive to train on."""
    root = tmp_path_factory.getbasetemp() / "faults-data"
    faces = tf.zeros([2, 32, 32, 3]), tf.ones([2, 32, 32, 1]), tf.ones([2, 32, 32, 3])
    monkeypatch.setenv("FACEINPAINT_HOME", str(root))
    monkeypatch.setattr("faceinpaint.runs.environment.commit", lambda: "0")
    monkeypatch.setattr("faceinpaint.training.build", StandIn)
    monkeypatch.setattr("faceinpaint.training.load", lambda run: None)
    monkeypatch.setattr("faceinpaint.lite.export.write", lambda model, path: path.write_bytes(b"exported"))
    monkeypatch.setattr("faceinpaint.runs.grids.examples", lambda *_: faces)
    monkeypatch.setattr(StandIn, "fixed_examples", lambda *_: faces)
    monkeypatch.setattr("faceinpaint.pipeline.training_batches", lambda *_, **__: None)
    monkeypatch.setattr("faceinpaint.figures.loss_figure", small_figure)
    monkeypatch.setattr("faceinpaint.figures.plt", SimpleNamespace(close=lambda figure: None))
    return str(face_archive)


def settings(**changes):
    return config.preset("smoke", **{"precision": "float32", "size": 32, "epochs": EPOCHS} | changes)


@pytest.fixture
def whole(stand_in, tmp_path):
    """A run that nothing befell."""
    faceinpaint.train(settings(), stand_in, tmp_path / "whole")
    return tmp_path / "whole"


def partial(folder):
    return [path.name for path in folder.rglob(".*.partial*")]


class Killed(BaseException):
    """In the place of SIGKILL: nothing on the disk changes after it, clearing up included."""


def half(path, content):
    with Path(path).open("wb") as file:
        file.write(content[: len(content) // 2])


def fail_from(patch, at, error, once):
    """File operation number `at`, and all later ones unless `once`, raise `error`; a write stops half way first."""
    count = itertools.count(1)

    def failing(owner, name):
        original = getattr(owner, name)

        def operation(*arguments, **keywords):
            number = next(count)
            if number < at or (once and number > at):
                return original(*arguments, **keywords)
            if number == at and name == "write_bytes":
                half(*arguments)
            if number == at and name == "savez":
                half(arguments[0], b"a zip that begins and does not end")
            raise error

        patch.setattr(owner, name, operation)

    written = ((Path, "write_bytes"), (np, "savez"), (os, "fsync"), (Path, "mkdir"), (keras.Model, "save"))
    for owner, name in written:
        failing(owner, name)
    if isinstance(error, Killed):  # what a full disk does not stop
        for owner, name in ((os, "replace"), (Path, "unlink"), (shutil, "rmtree")):
            failing(owner, name)


def test_killed_between_any_two_file_operations(stand_in, whole, tmp_path, capsys):
    for at in itertools.count(1):
        folder = tmp_path / f"killed{at}"
        kills = 0
        for moment in (at, 1 + at % 11):  # killed again on the way back
            with pytest.MonkeyPatch.context() as patch:
                fail_from(patch, moment, Killed(), once=False)
                try:
                    faceinpaint.train(settings(), stand_in, folder)
                except Killed:
                    kills += 1
        faceinpaint.train(settings(), stand_in, folder)
        assert outcome(folder) == outcome(whole), at
        assert partial(folder) == []
        assert {path.name for path in folder.iterdir()} == {path.name for path in whole.iterdir()}
        shutil.rmtree(folder)
        if not kills:
            break
    assert at > 60


def test_killed_while_discarding(stand_in, whole, tmp_path):
    """A run that --fresh has discarded in part goes on as one of fewer epochs, or asks for --fresh; it never mixes."""
    last = []
    for at in range(1, 20):
        folder = shutil.copytree(whole, tmp_path / f"killed{at}")
        with pytest.MonkeyPatch.context() as patch:
            fail_from(patch, at, Killed(), once=False)
            try:
                with runs.owned(folder, fresh=True):
                    pass
            except Killed:
                last.append(sorted(path.name for path in folder.rglob("*") if path.is_file()))
            else:
                break
        if "epoch_002.npz" in last[-1]:
            faceinpaint.train(settings(), stand_in, folder)
        else:
            with pytest.raises(UserError, match=r"use another --run, or .*--fresh"):
                faceinpaint.train(settings(), stand_in, folder)
            faceinpaint.train(settings(), stand_in, folder, fresh=True)
        assert outcome(folder)["state"] == outcome(whole)["state"], at
    assert last[0] == sorted(path.name for path in whole.rglob("*") if path.is_file())
    assert last[-1] == [".lock", "config.json"]


def everything(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*") if path.name != ".lock"}


@pytest.mark.parametrize("name", ["thesis.docx", "grids/mine.png", "checkpoint/sub/epoch_001.npz", "notes/losses.png"])
def test_fresh_discards_nothing_where_there_is_what_no_run_wrote(name, stand_in, whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("mine")
    before = everything(folder)
    with pytest.raises(UserError, match=rf"run/{name.split('/sub')[0].removesuffix('/losses.png')}.*: no run wrote it"):
        faceinpaint.train(settings(), stand_in, folder, fresh=True)
    assert everything(folder) == before


def test_fresh_does_not_take_any_config_for_a_runs(stand_in, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match="not a run directory"):
        faceinpaint.train(settings(), stand_in, tmp_path, fresh=True)
    assert (tmp_path / "config.json").read_text() == '{"model_type": "bert"}'


def test_fresh_takes_linked_checkpoints_away_and_leaves_their_disk(stand_in, whole, tmp_path):
    folder, disk = shutil.copytree(whole, tmp_path / "run"), tmp_path / "disk"
    shutil.move(folder / "checkpoint", disk)
    (folder / "checkpoint").symlink_to(disk)
    faceinpaint.train(settings(), stand_in, folder, fresh=True)
    assert list(disk.iterdir()) == []
    assert outcome(folder) == outcome(whole)


@pytest.mark.parametrize(
    "name", ["environment.json", "timing.jsonl", "losses.png", "grids/epoch_007.png", ".my.partial.txt"]
)
def test_a_new_run_takes_nobodys_files(name, stand_in, tmp_path):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(" ")
    before = everything(tmp_path)
    with pytest.raises(UserError, match=rf"{name}: in the way of a new run, .*use another --run"):
        faceinpaint.train(settings(), stand_in, tmp_path)
    assert before.items() <= everything(tmp_path).items()


def test_a_run_looks_for_what_was_half_written_in_its_own_folders_alone(stand_in, whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    (folder / "deep").mkdir()
    own, foreign = (folder / part / ".0123456789abcdef.partial.png" for part in ("grids", "deep"))
    own.touch()
    foreign.touch()
    faceinpaint.train(settings(), stand_in, folder)
    assert foreign.exists()
    assert not own.exists()


@pytest.mark.parametrize("name", ["a file", "a file/below", "/proc/run"])
def test_a_place_for_no_run_is_said_before_anything_is_prepared(name, stand_in, tmp_path, monkeypatch):
    (tmp_path / "a file").touch()
    monkeypatch.setattr("faceinpaint.training.prepare", lambda *_, **__: pytest.fail("it is prepared"))
    with pytest.raises(UserError, match=rf"{name}: cannot be written \(.*\); use another --run"):
        faceinpaint.train(settings(), stand_in, tmp_path / name)


def test_a_run_among_its_own_images_is_refused(stand_in, tmp_path):
    with pytest.raises(UserError, match=r"faces/run: lies in the data, .*use another --run"):
        faceinpaint.train(settings(), str(tmp_path / "faces"), tmp_path / "faces" / "run")
    assert list(tmp_path.iterdir()) == []


def test_an_epoch_is_kept_though_nobody_listens(stand_in, tmp_path, monkeypatch):
    def closed(text):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    monkeypatch.setattr("faceinpaint.runs.callbacks.tqdm.write", closed)
    with pytest.raises(BrokenPipeError):
        faceinpaint.train(settings(), stand_in, tmp_path)
    assert [path.name for path in checkpoint.saved(tmp_path / "checkpoint")] == ["epoch_001.npz"]


def one_line(capsys):
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert errors.startswith("faceinpaint: ")
    return errors


def test_the_disk_is_full_at_any_write(stand_in, whole, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("faceinpaint.__main__.preset", lambda *_, **__: settings())
    capsys.readouterr()
    for at in itertools.count(1):
        folder = tmp_path / f"full{at}"
        command = ["train", "--size", "32", "--data", stand_in, "--run", str(folder)]
        with pytest.MonkeyPatch.context() as patch:
            fail_from(patch, at, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), once=True)
            code = main(command)
        if code == 0:
            break
        assert code == 2
        assert "No space left on device" in one_line(capsys)
        if folder.exists():
            assert partial(folder) == []
            assert not (folder / "checkpoint").exists() or all(
                checkpoint._read(path) for path in checkpoint.saved(folder / "checkpoint")
            )
        assert main(command) == 0
        capsys.readouterr()
        assert outcome(folder) == outcome(whole), at
        shutil.rmtree(folder)
    assert at > 40


@pytest.fixture
def small_disk(tmp_path):
    """Gives `folder` a disk of its own, of as many bytes as asked."""
    folder, mounted = tmp_path / "disk", []

    def resize(size):
        folder.mkdir(exist_ok=True)
        how = f"remount,size={size}" if mounted else f"size={size}"
        run = subprocess.run(["mount", "-t", "tmpfs", "-o", how, "tmpfs", folder], capture_output=True)
        if run.returncode:
            pytest.skip("only root may mount a small disk")
        mounted.append(folder)
        return folder

    yield resize
    if mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)  # memory-mapped files may live on


def test_a_small_disk(stand_in, whole, small_disk, capsys, monkeypatch):
    """The true thing, full at one place after another."""
    monkeypatch.setattr("faceinpaint.__main__.preset", lambda *_, **__: settings())
    used = sum(path.stat().st_size for path in whole.rglob("*"))
    capsys.readouterr()
    for size in np.linspace(8192, used, 12, dtype=int):
        run = small_disk(size) / "run"
        command = ["train", "--size", "32", "--data", stand_in, "--run", str(run)]
        assert main(command) == 2
        assert re.search(r"run.*: No space left on device", one_line(capsys)), size
        assert partial(run) == []
        for path in checkpoint.saved(run / "checkpoint"):
            checkpoint._read(path)
    small_disk(4 * used)
    assert main(command) == 0
    assert outcome(run) == outcome(whole)


def test_no_room_for_the_cache(face_archive, small_disk, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "faceinpaint.celeba.cache._check_room", lambda *_: None
    )  # another program took the room meanwhile
    for size in (100_000, 1_000_000, 2_000_000):
        root = small_disk(size)
        with pytest.raises(UserError, match=r"disk.*: No space left on device; check the disk") as refusal:
            prepare(face_archive, root)
        assert "\n" not in str(refusal.value)
        assert os.listdir(root / "cache") == []
    small_disk(10_000_000)
    found, expected = prepare(face_archive, root), prepare(face_archive, tmp_path)
    assert np.array_equal(found.train, expected.train)


def flipped(content, at):
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


SPOILED = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "one bit": lambda content: flipped(content, len(content) // 3),
    "other": lambda content: b"{}\n",
}


@pytest.mark.parametrize("spoil", SPOILED)
def test_a_damaged_checkpoint_is_named_and_the_one_before_used(spoil, stand_in, whole, tmp_path, capsys):
    folder = shutil.copytree(whole, tmp_path / "run")
    last, before = folder / "checkpoint" / "epoch_003.npz", folder / "checkpoint" / "epoch_002.npz"
    last.write_bytes(SPOILED[spoil](last.read_bytes()))
    capsys.readouterr()
    history = faceinpaint.train(settings(), stand_in, folder)
    printed = capsys.readouterr().out
    assert re.search(rf"{last}: damaged checkpoint \(.*\); going on from epoch_002.npz\n", printed)
    assert [line["epoch"] for line in history] == [1, 2, 3]
    assert outcome(folder) == outcome(whole)
    for path in (last, before):
        path.write_bytes(SPOILED[spoil](path.read_bytes()))
    with pytest.raises(UserError, match=r"epoch_002.npz: damaged checkpoint .*; start over with --fresh") as refusal:
        faceinpaint.train(settings(), stand_in, folder)
    assert "\n" not in str(refusal.value)


def test_every_bit_of_a_checkpoint_counts(tmp_path):
    """Whichever bit flips, the file is refused or its content is what it was."""
    record, values = {"history": [{}]}, [np.arange(6, dtype=np.float32)]
    checkpoint.save(tmp_path, [tf.Variable(values[0])], record)
    path = tmp_path / "epoch_001.npz"
    content, refused = path.read_bytes(), 0
    for at in range(len(content)):
        path.write_bytes(flipped(content, at))
        try:
            found, arrays = checkpoint.latest(tmp_path)
        except UserError:
            refused += 1
        else:
            assert found == record
            assert np.array_equal(arrays[0], values[0])
    assert refused > len(content) / 2


def test_a_checkpoint_of_other_networks_is_refused():
    variables = [tf.Variable(np.zeros((2, 3), np.float32)), tf.Variable(np.zeros(3, np.float32))]
    with pytest.raises(UserError, match="made by another version of the networks"):
        checkpoint.assign(variables, [np.ones((2, 3), np.float32), np.ones(4, np.float32)])
    assert not variables[0].numpy().any()


@pytest.mark.parametrize("spoil", [*SPOILED, "gone"])
@pytest.mark.parametrize("name", ["config.json", "history.jsonl", "environment.json"])
def test_damaged_records_are_named_and_written_again(name, spoil, stand_in, whole, tmp_path, capsys):
    folder = shutil.copytree(whole, tmp_path / "run")
    path = folder / name
    content = path.read_bytes()
    path.unlink() if spoil == "gone" else path.write_bytes(SPOILED[spoil](content))
    capsys.readouterr()
    faceinpaint.train(settings(), stand_in, folder)
    printed = capsys.readouterr().out
    assert (f"{path}: not as the last checkpoint has it; written again from there\n" in printed) == (spoil != "gone")
    assert path.read_bytes() == content


def test_a_tampered_config_does_not_become_the_runs(stand_in, whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    (folder / "config.json").write_text(config.to_json(settings(seed=7)))
    with pytest.raises(UserError, match="seed 0 there, 7 asked"):
        faceinpaint.train(settings(seed=7), stand_in, folder)


def test_another_machine_is_said(stand_in, tmp_path, capsys, monkeypatch):
    with pytest.MonkeyPatch.context() as patch:
        fail_from(patch, 30, Killed(), once=False)
        with pytest.raises(Killed):
            faceinpaint.train(settings(), stand_in, tmp_path)
    monkeypatch.setattr("faceinpaint.runs.environment.processor", lambda: "another")
    faceinpaint.train(settings(), stand_in, tmp_path)
    assert f"{tmp_path}: begun with another processor; goes on, not bit for bit" in capsys.readouterr().out


def test_a_run_without_its_checkpoints_is_not_begun_again(stand_in, whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(folder / "checkpoint")
    with pytest.raises(UserError, match="has a history but no checkpoint; use another --run, or start over with"):
        faceinpaint.train(settings(), stand_in, folder)


@pytest.mark.parametrize("spoil", SPOILED)
def test_a_spoiled_grid_is_named_and_left_out(spoil, stand_in, whole, tmp_path, capsys):
    folder = shutil.copytree(whole, tmp_path / "run")
    grid = folder / "grids" / "epoch_001.png"
    grid.write_bytes(SPOILED[spoil](grid.read_bytes()))
    (folder / "progress.gif").unlink()
    capsys.readouterr()
    faceinpaint.train(settings(), stand_in, folder)
    assert capsys.readouterr().out.count(f"{grid}: damaged (") == 1
    with Image.open(folder / "progress.gif") as film:
        assert film.n_frames == EPOCHS


def test_a_grid_of_another_size_is_left_out(stand_in, whole, tmp_path, capsys):
    folder = shutil.copytree(whole, tmp_path / "run")
    cv2.imwrite(str(folder / "grids" / "epoch_000.png"), np.zeros((20, 20, 3), np.uint8))
    (folder / "progress.gif").unlink()
    faceinpaint.train(settings(), stand_in, folder)
    assert "epoch_000.png: damaged (another size)" in capsys.readouterr().out


def test_no_grid_left_is_no_filmstrip(stand_in, whole, tmp_path, capsys):
    folder = shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(folder / "grids")
    (folder / "progress.gif").unlink()
    faceinpaint.train(settings(), stand_in, folder)
    assert f"{folder}: no filmstrip" in capsys.readouterr().out


def test_times_that_were_cut_off_are_left_out(stand_in, whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    (folder / "checkpoint" / "epoch_003.npz").unlink()
    with (folder / runs.TIMES).open("r+") as file:
        file.truncate(len(file.readline()) + 9)
    faceinpaint.train(settings(), stand_in, folder)
    assert [line["epoch"] for line in runs.read_times(folder)] == [1, 3]


def test_memory_that_does_not_suffice_is_one_line(stand_in, tmp_path, monkeypatch):
    def exhausted(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")

    monkeypatch.setattr(StandIn, "fit", exhausted)
    with pytest.raises(UserError, match=r"^out of memory; free some, or give a smaller --size and another --run$"):
        faceinpaint.train(settings(), stand_in, tmp_path)


@pytest.mark.parametrize("spoil", [*SPOILED, "gone"])
@pytest.mark.parametrize("name", ["train.npy", "test.npy", "names.json", "rejects.txt"])
def test_a_damaged_cache_is_prepared_again(name, spoil, face_archive, tmp_path, capsys):
    whole = prepare(face_archive, tmp_path)
    path, expected = whole.folder / name, np.array(whole.test)
    content = path.read_bytes()
    if spoil in ("one bit", "empty", "truncated") and not content:
        pytest.skip("nothing to spoil")
    path.unlink() if spoil == "gone" else path.write_bytes(SPOILED[spoil](content))
    capsys.readouterr()
    again = prepare(face_archive, tmp_path)
    assert (f"{path}: damaged; preparing again" in capsys.readouterr().out) == (spoil != "gone")
    assert path.read_bytes() == content
    assert np.array_equal(again.test, expected)


PREPARE = """
import sys
from dataclasses import replace
from pathlib import Path
from faceinpaint import celeba
from faceinpaint.config import Config
tiny = Config(size=16, train_images=int(sys.argv[3]), validation_images=12, test_images=12, batch_size=8)
print(len(celeba.prepare(sys.argv[1], tiny, Path(sys.argv[2])).train))
"""


def python(code, *words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_processes_that_prepare_the_same_cache_at_once(face_archive, face_files, tmp_path):
    started = [python(PREPARE, face_archive, tmp_path, count) for count in (56, 40, 56)]
    printed = [process.communicate() for process in started]
    assert [out.split()[-1] for out, _ in printed] == ["56", "40", "56"], printed
    assert os.listdir(tmp_path / "cache") == ["img_align_celeba-16"]
    assert len(prepare(face_archive, tmp_path).train) == 56


HOLD = """
import sys, time
from pathlib import Path
from faceinpaint.system.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_second_of_two_trainings_is_refused_while_the_first_lives(stand_in, whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    first = python(HOLD, folder)
    try:
        assert first.stdout.readline() == "held\n"
        for fresh in (False, True):
            with pytest.raises(UserError, match="a training is running there; wait for it, or use another --run"):
                faceinpaint.train(settings(), stand_in, folder, fresh=fresh)
        assert outcome(folder) == outcome(whole)
    finally:
        first.kill()
        first.communicate()
    assert (folder / ".lock").exists()
    assert len(faceinpaint.train(settings(), stand_in, folder)) == EPOCHS


STOPPED = """
import signal, sys, time, faceinpaint
from faceinpaint import __main__

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what is started in the background

def work(*_):
    try:
        print("begun", flush=True)
        time.sleep(600)
    finally:
        print("clearing up", flush=True)
        time.sleep(600 if sys.argv[1] else 0)

vars(faceinpaint)["train"] = work
sys.exit(__main__.main(["train"]))
"""


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
@pytest.mark.parametrize(
    ("how", "code", "word"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 129, "terminated"),  # the terminal is gone
    ],
)
def test_signals_end_a_command_cleanly(how, code, word, again):
    process = python(STOPPED, "slowly" if again else "")
    assert process.stdout.readline() == "begun\n"
    process.send_signal(how)
    if again:
        assert process.stdout.readline() == "clearing up\n"
        process.send_signal(how)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "" if again else "clearing up\n")
    assert errors == f"\nfaceinpaint: {word}; the same command goes on from what is finished\n"


PIPED = """
import sys
from faceinpaint.system.outcome import exit_code
def work():
    while True:
        print("a line", flush=True)
sys.exit(exit_code(work))
"""


def test_a_closed_pipe_ends_a_command_without_a_word():
    process = python(PIPED)
    assert process.stdout.readline() == "a line\n"
    process.stdout.close()
    assert process.wait(60) == 141
    assert process.stderr.read() == ""


def test_opencv_does_not_warn_on_the_screen(tmp_path):
    Image.fromarray(np.ones((8, 8), np.float32)).save(tmp_path / "float.tif")
    process = python("import sys, faceinpaint, cv2\nprint(cv2.imread(sys.argv[1]))", tmp_path / "float.tif")
    assert process.communicate(timeout=60) == ("None\n", "")


def test_too_little_memory_is_said_in_a_line(monkeypatch, capsys):
    def work(*_):
        raise MemoryError

    monkeypatch.setitem(vars(faceinpaint), "prepare", work)
    assert main(["prepare"]) == 2
    assert capsys.readouterr().err.startswith("faceinpaint: not enough memory: ")


def test_nohup_holds(monkeypatch):
    before, during = signal.signal(signal.SIGHUP, signal.SIG_IGN), []
    try:
        monkeypatch.setitem(vars(faceinpaint), "prepare", lambda *_: during.append(signal.getsignal(signal.SIGHUP)))
        assert main(["prepare"]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)
    assert during == [signal.SIG_IGN]


def test_terminating_is_handled_only_while_a_command_runs(monkeypatch):
    before, during = signal.getsignal(signal.SIGTERM), []
    monkeypatch.setitem(vars(faceinpaint), "prepare", lambda *_: during.append(signal.getsignal(signal.SIGTERM)))
    assert main(["prepare"]) == 0
    assert during != [before]
    assert signal.getsignal(signal.SIGTERM) == before


def test_one_percent_of_corrupt_jpegs_in_20_000_changes_nothing_else(tmp_path):
    small = [jpeg(cv2.resize(draw_face(number), (24, 24), interpolation=cv2.INTER_AREA)) for number in range(9)]
    faces = {f"{number:06d}.jpg": small[number % 9] for number in range(1, 20_001)}
    everything = replace(TINY, train_images=20_000, validation_images=20_000, test_images=20_000)
    whole = prepare(write_zip(tmp_path / "faces.zip", faces), tmp_path / "a", everything)
    spoils = (b"", small[0][:-300], b"<html>" + small[0], np.random.default_rng(0).bytes(4000))
    bad = {name: spoils[place % 4] for place, name in enumerate(list(faces)[7::100])}
    spoiled = prepare(write_zip(tmp_path / "faces.zip", faces | bad), tmp_path / "b", everything)
    kept = 0
    for part in ("train", "validation", "test"):
        places = [place for place, name in enumerate(whole.names[part]) if name not in bad]
        assert spoiled.names[part] == [whole.names[part][place] for place in places]
        assert np.array_equal(getattr(spoiled, part), getattr(whole, part)[places])
        kept += len(places)
    assert (kept, len(bad)) == (19_800, 200)
    assert sorted((spoiled.folder / "rejects.txt").read_text().split()) == sorted(bad)
    assert "200 unreadable left out" in spoiled.description


def test_a_finished_run_makes_its_generator_anew(stand_in, whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    (folder / "generator.keras").unlink()
    faceinpaint.train(settings(), stand_in, folder)
    assert keras.models.load_model(folder / "generator.keras").count_params() == 250


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_generator_passes_for_what_it_is(name, tmp_path):
    model = build(settings(system=name))
    model.averaged_generator.save(tmp_path / "generator.keras")
    (tmp_path / "config.json").write_text(config.to_json(model.config))
    loaded = faceinpaint.load(tmp_path).averaged_generator.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(loaded, model.averaged_generator.get_weights(), strict=True))


def lambda_layer(folder):
    path = str(folder / "owned")
    return keras.layers.Lambda(lambda x: (open(path, "w").close(), x)[1])


def foreign_class(folder):
    (folder / "foreign.py").write_text(
        f"import keras\nopen({str(folder / 'imported')!r}, 'a')\n"
        "class Foreign(keras.layers.Layer):\n    def call(self, x):\n        return x\n"
    )
    spec = importlib.util.spec_from_file_location("foreign", folder / "foreign.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (folder / "imported").unlink()
    return module.Foreign()


def file_reader(folder):
    (folder / "secret.txt").write_text("a\nb\n")
    return keras.layers.StringLookup(vocabulary=str(folder / "secret.txt"))


@pytest.mark.parametrize("make", [lambda_layer, foreign_class, file_reader])
def test_code_inside_a_generator_is_not_run(make, tmp_path, monkeypatch, capsys):
    layer = make(tmp_path)
    pixels = keras.Input((32, 32, 4), dtype="string" if make is file_reader else None)
    keras.Model(pixels, layer(pixels)).save(tmp_path / "generator.keras")
    (tmp_path / "config.json").write_text(config.to_json(settings()))
    (tmp_path / "owned").unlink(missing_ok=True)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"not a generator of this config .*; delete it and train"):
        faceinpaint.load(tmp_path)
    assert not (tmp_path / "owned").exists()
    assert not (tmp_path / "imported").exists()
    (tmp_path / "environment.json").write_text("{}")
    capsys.readouterr()
    assert main(["evaluate", "--run", str(tmp_path), "--out", str(tmp_path / "results.json")]) == 2
    assert "generator.keras: not a generator of this config" in one_line(capsys)
