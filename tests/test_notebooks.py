"""The notebooks are thin, told in prose, and run from top to bottom. They are executed here as `make notebooks` does,
but on less work: the environment variables that their settings name make them small."""

import ast
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import cv2
import pytest
from conftest import draw_face

from faceinpaint import prepare, preset

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)

# What each must at least show when it is executed: the number of figures, and some words of its outputs.
SHOWN = {
    "01_preprocessing": (9, ["48 faces", "No image is in two parts: True", "changed by 0\n", "same batch:    True"]),
    "02_training": (10, ["def build_unet", "def train_step", "48 training, 8 validation and 8 test images",
                        "2 epochs of 6 steps of 8 faces", "fake_accuracy"]),
    "03_evaluation": (14, ["8 validation faces", "| published_mouth |", "| left half |", "| 60% |", "| O6 |",
                           "without LPIPS", "8 test faces"]),
    "04_restore_a_photo": (10, ["900x680 pixels", "turned by 17.0°", "pixels changed outside the hole: 0", "dB PSNR"]),
}  # fmt: skip
AT_ONCE = ["02_training.ipynb", "03_evaluation.ipynb"], ["01_preprocessing.ipynb", "04_restore_a_photo.ipynb"]
MAX_LINES, MAX_LOOP_LINES, MAX_BYTES = 15, 5, 3_000_000


def cells(path: Path, kind: str) -> list[dict]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def code(path: Path) -> list[str]:
    """The source of each code cell, without lines that are IPython's alone."""
    return [re.sub(r"^%.*$", "", source(cell), flags=re.M) for cell in cells(path, "code")]


def outputs(path: Path) -> list[dict]:
    return [output for cell in cells(path, "code") for output in cell["outputs"]]


def printed(path: Path) -> str:
    """All text among the outputs."""
    texts = [output.get("text", []) for output in outputs(path)]
    texts += [output.get("data", {}).get("text/markdown", []) for output in outputs(path)]
    return "\n".join("".join(text) for text in texts)


def pictures(path: Path) -> list[dict]:
    return [output for output in outputs(path) if {"image/png", "image/jpeg"} & set(output.get("data", {}))]


def test_every_notebook_is_found():
    assert [path.stem for path in NOTEBOOKS] == sorted(SHOWN)
    assert [path.stem[:3] for path in NOTEBOOKS] == [f"{number:02d}_" for number in range(1, len(NOTEBOOKS) + 1)]
    assert sorted(name for names in AT_ONCE for name in names) == [path.name for path in NOTEBOOKS]


@EACH
def test_it_is_a_notebook(path):
    notebook = json.loads(path.read_text())
    assert (notebook["nbformat"], notebook["metadata"]["kernelspec"]["name"]) == (4, "python3")
    identities = [cell["id"] for cell in notebook["cells"]]
    assert len(identities) == len(set(identities))
    assert path.stat().st_size < MAX_BYTES


@EACH
def test_code_is_short_and_defines_nothing(path):
    for text in code(path):
        assert len(text.splitlines()) <= MAX_LINES, text
        for node in ast.walk(ast.parse(text)):
            assert not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda), text
            if isinstance(node, ast.For | ast.While):
                assert node.end_lineno - node.lineno < MAX_LOOP_LINES, text


@EACH
def test_prose_comes_first(path):
    kinds = [cell["cell_type"] for cell in json.loads(path.read_text())["cells"]]
    assert source(cells(path, "markdown")[0]).startswith(f"# {int(path.stem[:2])}. ")
    assert ("code", "code") not in list(pairwise(kinds))
    assert kinds[0] == kinds[-1] == "markdown"


@EACH
def test_settings_stand_on_top_and_are_explained(path):
    settings = set(re.findall(r'os\.environ\.get\("(\w+)"', code(path)[0]))
    assert {"FACEINPAINT_PRESET", "FACEINPAINT_DATA"} <= settings
    assert all(f"`{name}`" in source(cells(path, "markdown")[0]) for name in settings)
    assert not [text for text in code(path)[1:] if "os.environ" in text]


@EACH
def test_figures_are_kept_whatever_matplotlib_is_told(path):
    assert source(cells(path, "code")[0]).startswith("%matplotlib inline\n")


@EACH
def test_it_ends_with_the_line_that_says_what_made_its_figures(path):
    assert source(cells(path, "code")[-1]).splitlines()[-1] == "print(machine.line(PRESET))"


@EACH
def test_it_runs_anywhere(path):
    text = "\n".join(code(path))
    assert "chdir" not in text
    assert not re.search(r"[\"'](/|~|[A-Za-z]:\\)", text)


@EACH
def test_kept_outputs_are_of_a_run_without_errors(path):
    assert len(pictures(path)) >= SHOWN[path.stem][0]
    assert not {"error", "stderr"} & {output.get("name", output["output_type"]) for output in outputs(path)}
    assert str(ROOT) not in path.read_text()


@pytest.fixture
def own_images(tmp_path, monkeypatch):
    """The notebooks' data: twenty images of one's own, of which hardly any are left for validation."""
    import matplotlib

    matplotlib.use("agg")
    own = tmp_path / "own"
    own.mkdir()
    for number in range(20):
        cv2.imwrite(str(own / f"face {number}.png"), draw_face(number))
    for name, value in {"DATA": own, "PRESET": "smoke", "RUN": tmp_path / "none", "HOME": tmp_path}.items():
        monkeypatch.setenv(f"FACEINPAINT_{name}", str(value))
    monkeypatch.chdir(ROOT / "notebooks")
    yield
    matplotlib.pyplot.close("all")


def test_notebook_1_takes_a_few_images_of_ones_own(own_images, capsys):
    names = {}
    for text in code(ROOT / "notebooks/01_preprocessing.ipynb"):
        exec(text, names)
    assert len(names["faces"].validation) < 5
    assert "largest change to a known pixel: 0.0" in capsys.readouterr().out


def test_notebook_4_takes_a_photo_of_ones_own(own_images, tmp_path, capsys):
    """As its text says: one cell is changed, and the saved mask, of another size, stands in nobody's way."""
    notebook, photo = ROOT / "notebooks/04_restore_a_photo.ipynb", tmp_path / "portrait.png"
    cv2.imwrite(str(photo), cv2.resize(draw_face(1), (360, 440)))
    advice = re.findall(r"`((?:picture|eyes) = .+?)`", source(cells(notebook, "markdown")[1]))
    own = (
        "\n".join(advice)
        .replace("portrait.jpg", str(photo))
        .replace("[(310, 402), (422, 398)]", "[(140, 222), (218, 222)]")
    )
    texts, names = code(notebook), {}
    texts[1] = f"{texts[1].splitlines()[0]}\n{own}"
    for text in [*texts[:4], "canvas.painting.stroke([(140, 222), (160, 230)], brush=24)", *texts[4:]]:
        exec(text, names)
    assert names["picture"].shape == (440, 360, 3)
    assert names["mask"].shape == (440, 360)
    assert "pixels changed outside the hole: 0" in capsys.readouterr().out


@pytest.fixture(scope="module")
def executed(tmp_path_factory, face_archive) -> Path:
    """The folder of the notebooks after all of them were executed, in two processes: 3 measures what 2 trains.

    They run in a copy, beside a copy of the package, so that neither kept figures nor prepared faces are touched;
    Jupyter and IPython are kept from looking into, and writing to, the home folder.
    """
    copy = tmp_path_factory.mktemp("repository")
    left_out = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for folder in ("faceinpaint", "notebooks"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=left_out)
    settings = {"PRESET": "smoke", "DATA": str(face_archive), "RUN": str(copy / "run"), "EPOCHS": "2"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FACEINPAINT_")}
    environment |= {f"FACEINPAINT_{name}": value for name, value in settings.items()}
    environment["PIP_NO_INDEX"] = "1"  # LPIPS is tested elsewhere; here nothing is fetched
    environment["MPLBACKEND"] = "agg"  # as many have it; figures are kept all the same
    environment |= {"JUPYTER_DATA_DIR": str(copy / "jupyter"), "IPYTHONDIR": str(copy / "ipython")}
    environment["PYTHONPATH"] = os.pathsep.join([str(copy), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    prepare(str(face_archive), preset("smoke"), copy / "notebooks/data")  # once, before both ask for them
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace"]
    started = [
        subprocess.Popen([*command, *names], cwd=copy / "notebooks", env=environment, stderr=subprocess.PIPE, text=True)
        for names in AT_ONCE
    ]
    for process in started:
        _, errors = process.communicate(timeout=900)
        assert process.returncode == 0, errors[-3000:]
        assert "Notebook JSON is invalid" not in errors
    return copy / "notebooks"


@EACH
def test_it_runs_from_top_to_bottom(path, executed):
    notebook = json.loads((executed / path.name).read_text())
    counts = [cell["execution_count"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))
    assert notebook["metadata"]["language_info"]["version"] == platform.python_version()


@EACH
def test_it_shows_its_figures(path, executed):
    figures, words = SHOWN[path.stem]
    assert len(pictures(executed / path.name)) >= figures
    text = printed(executed / path.name)
    assert not [word for word in words if word not in text]


def test_training_in_the_notebook_leaves_a_whole_run(executed):
    run = executed.parent / "run"
    assert len((run / "history.jsonl").read_text().splitlines()) == 2
    assert {"config.json", "losses.png", "filmstrip.png", "generator.keras"} <= {file.name for file in run.iterdir()}


def test_notebooks_leave_nothing_behind_but_prepared_faces(executed):
    before = {path.name for path in (ROOT / "notebooks").iterdir()}
    assert {path.name for path in executed.iterdir()} - before <= {"data"}
