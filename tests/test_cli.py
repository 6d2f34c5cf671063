"""The command line and the lazy package: exit codes, one-line refusals, what is imported when."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import faceinpaint
from faceinpaint import config
from faceinpaint.__main__ import main
from faceinpaint.celeba import sources
from faceinpaint.system.downloads import data_folder


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def replace_api(monkeypatch):
    """Puts a function in the place of a public one, without importing what the public one needs."""
    return lambda name, function: monkeypatch.setitem(vars(faceinpaint), name, function)


def refusal(capsys, *argv) -> str:
    """The one line that the command prints on stderr as it exits with 2."""
    assert main(list(argv)) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("faceinpaint: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_alone_prints_help(capsys):
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert all(command in printed for command in ("prepare", "train", "evaluate"))


@pytest.mark.parametrize("command", ["prepare", "train", "evaluate", "bench"])
def test_help_teaches(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        main([command, "--help"])
    assert exit_.value.code == 0
    printed = capsys.readouterr().out
    assert f"Example: python -m faceinpaint {command}" in printed
    assert "default" in printed
    assert "minute" in printed


@pytest.mark.parametrize(
    "argv",
    [["trian"], ["train", "--epochs", "many"], ["train", "--fre"], ["evaluate", "extra"], ["evaluate", "--faces=0"]],
)
def test_wrong_usage_exits_with_2(argv, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(argv)
    assert exit_.value.code == 2
    printed = capsys.readouterr().err
    assert "error: " in printed
    assert "_positive" not in printed


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["train", "--preset", "papier"], "preset 'papier': choose one of paper, "),
        (["train", "--epochs", "0"], "epochs 0: must be at least 1"),
        (["prepare", "--size", "63"], "size 63: must be a multiple of 16"),
        (["prepare", "--size", "0"], "size 0: must be a multiple of 16"),
        (["train", "--size", "144"], "size 144: must be a multiple of 32"),
        (["train", "--seed", "-1"], "seed -1: must be from 0 to "),
        (["prepare", "--data", "nowhere.zip"], "nowhere.zip"),
        (["prepare", "--data", ""], "--data: empty; it takes auto, sample, tfds"),
        (["evaluate", "--run", "runs/none"], "runs/none/generator.keras: no trained generator"),
        (["evaluate", "--out", "none/results.json"], "none/results.json: cannot be written"),
        (["evaluate", "--out", "."], ".: cannot be written"),
        (["evaluate", "--out", "/dev/null"], "/dev/null: cannot be written"),
        (["bench", "--out", "/dev/null"], "/dev/null: cannot be written"),
        (["evaluate", "--out", "values.npz"], "values.npz: the values or a picture are written there"),
        (["evaluate", "--out", "face.PNG"], "face.PNG: the values or a picture are written there"),
        (["prepare", "--data", "~nosuchuser/faces"], "~nosuchuser/faces: no such file or folder"),
        (
            ["prepare", "--data", "sample", "--split", "nofile"],
            "--split nofile: no such file; it takes listed, official",
        ),
        (["train", "--epochs", f"{10**20}"], "must be at most"),
        (
            ["train", "--preset", "perceptual", "--size", "16"],
            "size 16: the system perceptual is trained on 32 or more",
        ),
        (["evaluate", "--study", "none"], "--study none: choose one of results, published"),
    ],
)
def test_refusals_are_one_line_and_leave_nothing(argv, part, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("faceinpaint.celeba.sources.sample", lambda root: SimpleNamespace(label="", fingerprint=list))
    assert part in refusal(capsys, *argv)
    assert not list(tmp_path.iterdir())


def test_home_is_meant_by_a_tilde(replace_api, monkeypatch, tmp_path):
    calls = []
    replace_api("train", lambda config, data, run, *others: calls.append((data, run, others[2])))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["train", "--data", "~/faces", "--run", "~/run", "--start", "~nosuchuser/run"]) == 0
    assert calls == [(f"{tmp_path}/faces", f"{tmp_path}/run", "~nosuchuser/run")]
    monkeypatch.setenv("FACEINPAINT_HOME", "~nosuchuser/data")
    assert data_folder() == Path("~nosuchuser/data")
    monkeypatch.setenv("TFDS_DATA_DIR", "~nosuchuser/tfds")
    assert not sources.tfds_is_prepared()


def test_too_few_images_for_a_batch(face_archive, capsys, monkeypatch):
    monkeypatch.setitem(config.PRESETS, "paper", {"batch_size": 64})
    assert "56 training images: too few for one batch of 64" in refusal(capsys, "prepare", "--data", str(face_archive))


def test_train_passes_what_was_asked(replace_api):
    calls = []
    replace_api("train", lambda *arguments: calls.append(arguments))
    assert main(["train"]) == 0
    where = ["--data", "a b", "--run", "here", "--fresh", "--start", "there", "--faces", "20", "--split", "official"]
    where += ["--strategy", "multiworker", "--seed", "5"]
    assert main(["train", "--preset", "smoke", "--epochs", "3", *where]) == 0
    assert main(["train", "--preset", "bce_only"]) == 0
    assert main(["train", "--size", "128"]) == 0
    assert calls == [
        (config.Config(), "auto", "runs/paper", False, "none", None, "listed"),
        (
            config.preset("smoke", epochs=3, train_images=20, seed=5),
            "a b",
            "here",
            True,
            "multiworker",
            "there",
            "official",
        ),
        (config.preset("bce_only"), "auto", "runs/bce_only", False, "none", None, "listed"),
        (config.at_size(config.Config(), 128), "auto", "runs/paper_128", False, "none", None, "listed"),
    ]


def test_evaluate_passes_what_was_asked_and_prints_a_table(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr("faceinpaint.studies.run", lambda *arguments: asked.append(arguments) or "| a table |")
    where = ["--run", "there", "here", "--data", "sample", "--out", "figures.json", "--faces", "9", "--part", "test"]
    assert main(["evaluate", *where]) == 0
    assert main(["evaluate", "--study", "published"]) == 0
    assert asked == [
        ("results", ["there", "here"], "sample", "test", 9, Path("figures.json")),
        ("published", None, "auto", "validation", None, Path("published.json")),
    ]
    assert "| a table |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (config.UserError("run: two\nlines"), "run: two lines"),
        (OSError(28, "No space left on device", "runs/paper/losses.png"), "runs/paper/losses.png: No space left on"),
        (ModuleNotFoundError("No module named 'keras'", name="keras"), "keras is not installed: use .venv/bin/python"),
        (ImportError("libGL.so.1: cannot open shared object file"), "sudo apt-get install libgl1 libglib2.0-0"),
        (ImportError("faceinpaint needs Keras on TensorFlow"), "faceinpaint needs Keras on TensorFlow"),
    ],
)
def test_errors_from_outside_are_one_line(error, part, replace_api, capsys):
    def fail(*_):
        raise error

    replace_api("prepare", fail)
    assert part in refusal(capsys, "prepare")


@pytest.mark.parametrize("bug", [IndexError(), ModuleNotFoundError(name="faceinpaint.nonsense")])
def test_a_bug_keeps_its_traceback(bug, replace_api):
    def fail(*_):
        raise bug

    replace_api("prepare", fail)
    with pytest.raises(type(bug)):
        main(["prepare"])


@pytest.mark.parametrize(
    ("flags", "remedy"),
    [
        ([], "the same command goes on from what is finished"),
        (["--fresh"], "the same command begins anew; without --fresh it goes on from what is finished"),
    ],
)
def test_interrupted(flags, remedy, replace_api, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    replace_api("train", interrupt)
    assert main(["train", *flags]) == 130
    assert capsys.readouterr().err == f"\nfaceinpaint: interrupted; {remedy}\n"


def run_python(code, **environment) -> subprocess.CompletedProcess:
    package = os.path.dirname(os.path.dirname(faceinpaint.__file__))
    variables = {k: v for k, v in os.environ.items() if k not in ("TF_CPP_MIN_LOG_LEVEL", "KERAS_BACKEND")}
    variables |= {"PYTHONPATH": package, **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=variables)


def test_import_is_cheap():
    code = """import sys, faceinpaint, faceinpaint.__main__
assert {"train", "load", "Config"} <= set(dir(faceinpaint))
print(*{"tensorflow", "keras", "numpy", "cv2", "matplotlib"} & set(sys.modules))"""
    run = run_python(code)
    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, "", "")


PUBLIC = """
import faceinpaint
from faceinpaint import evaluate, figures, pipeline, train

assert callable(train) and callable(evaluate) and train is faceinpaint.train
assert {"train", "load", "Config"} <= set(dir(faceinpaint))
import keras
assert keras.backend.backend() == "tensorflow"
assert (keras.config.image_data_format(), keras.config.floatx()) == ("channels_last", "float32")
try:
    faceinpaint.nonsense
except AttributeError as error:
    assert "nonsense" in str(error)
else:
    raise AssertionError("an attribute that is not there")
"""


def test_public_names_are_functions_and_tensorflow_starts_quietly(tmp_path):
    (tmp_path / "keras.json").write_text('{"image_data_format": "channels_first", "floatx": "float16"}')
    run = run_python(PUBLIC, KERAS_BACKEND="jax", KERAS_HOME=str(tmp_path))
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_a_room_is_imported_quietly():
    run = run_python("from faceinpaint import figures\nprint(figures.__name__)")
    assert (run.returncode, run.stdout, run.stderr) == (0, "faceinpaint.figures\n", "")
