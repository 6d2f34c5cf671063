"""The shape of the repository: what lies where, pinned requirements, the Makefile's promises, short functions."""

import ast
import itertools
import json
import os
import re
import shlex
import socket
import statistics
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {"faceinpaint", "notebooks", "tests"}
FILES = {"README.md", "LICENSE", "CITATION.cff", "Makefile", "pyproject.toml", "requirements.txt"}
REQUIREMENT = re.compile(r"(?P<name>[\w-]+)==(?P<version>\d[\w.]*)  # (?P<reason>.{10,})")
# Where the name that is imported is not the name that is installed.
MODULES = {
    "ai-edge-litert": "ai_edge_litert",
    "opencv-python": "cv2",
    "pillow": "PIL",
    "scikit-image": "skimage",
    "tensorflow-datasets": "tensorflow_datasets",
}
# Programs, and what others import: none of our modules needs to.
OPTIONAL = {"mtcnn"}  # extras in pyproject.toml: what needs them says so
NOT_IMPORTED = {"jupyter", "pytest-xdist", "ruff", "importlib_resources", "beautifulsoup4"}


def tracked() -> list[Path]:
    listing = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [Path(name) for name in listing.stdout.split("\0") if name]


def requirements() -> dict[str, re.Match]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    matches = {line: REQUIREMENT.fullmatch(line) for line in lines}
    assert all(matches.values()), [line for line, match in matches.items() if not match]
    return {match["name"]: match for match in matches.values()}


VARIABLES = ("DATA", "EPOCHS", "FACES", "PART", "PRESET", "RUN", "SIZE", "START", "STRATEGY")


def make(*arguments) -> str:
    own = {"MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "PYTHON", *VARIABLES}
    environment = {name: value for name, value in os.environ.items() if name not in own}
    run = subprocess.run(
        ["make", "--no-print-directory", "-C", str(ROOT), *arguments], capture_output=True, text=True, env=environment
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def commands(*arguments) -> list[list[str]]:
    """The words of each command that `make -n` shows, continued lines joined."""
    return [shlex.split(line) for line in make("-n", *arguments).replace("\\\n", " ").splitlines() if "-m" in line]


def test_top_level_holds_only_what_belongs_there():
    extra = {path.parts[0] for path in tracked()} - FOLDERS - FILES
    assert not [name for name in extra if not name.startswith(".")]


def test_requirements_are_pinned_and_explained():
    assert {"tensorflow", "keras", "numpy", "opencv-python", "pytest"} <= set(requirements())


def test_what_is_imported_is_required_and_the_other_way_round():
    imported = set()
    for path in [*(ROOT / "faceinpaint").rglob("*.py"), *(ROOT / "tests").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.partition(".")[0])
    own = {path.stem for path in (ROOT / "tests").glob("*.py")}
    imported -= {*sys.stdlib_module_names, "faceinpaint", *own, *OPTIONAL}
    required = {MODULES.get(name, name) for name in set(requirements()) - NOT_IMPORTED}
    assert imported == required


def test_installed_versions_are_the_pinned_ones():
    from importlib.metadata import version

    assert {name: version(name) for name in requirements()} == {n: m["version"] for n, m in requirements().items()}


def test_package_and_makefile_ask_for_the_same_python():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["requires-python"] == ">=3.11,<3.14"
    assert "(3, 11) <= sys.version_info < (3, 14)" in (ROOT / "Makefile").read_text()


def test_help_is_the_default_and_names_every_target():
    text = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", text, re.M)[1].split()
    explained = re.findall(r"^([a-z]+):.*  ## ", text, re.M)
    assert sorted(targets) == sorted(explained)
    printed = make()
    assert all(f"make {target} " in printed for target in targets)
    assert all(f"{variable}=" in printed for variable in VARIABLES)
    assert len(printed.splitlines()) <= 26
    assert max(map(len, printed.splitlines())) <= 120


def test_make_train_alone():
    assert " ".join(commands("train")[-1][1:]) == "-m faceinpaint train --preset paper --data auto --run runs/paper"


def test_make_passes_any_path_on():
    path = 'my faces\' $HOME/"a".zip'
    words = commands("train", f"DATA={path.replace('$', '$$')}", "EPOCHS=3", "PRESET=smoke")[-1]
    asked = ["--preset", "smoke", "--data", path, "--run", "runs/smoke", "--epochs", "3"]
    assert words[1:] == ["-m", "faceinpaint", "train", *asked]


def test_make_train_on_several_devices_at_another_size_from_another_run():
    words = commands("train", "STRATEGY=mirrored", "SIZE=128", "START=a b")[-1]
    assert words[-8:] == ["--run", "runs/paper_128", "--size", "128", "--strategy", "mirrored", "--start", "a b"]


def test_make_weights_is_four_trainings_each_begun_with_the_one_before():
    printed = make("-n", "weights", "DATA=a b.zip")
    trained = re.findall(r"train --data 'a b.zip' --preset (\w+)(.*?) --run (\S+)", printed)
    assert [preset for preset, _, _ in trained] == ["paper", "finetuned", "parts", "octave"]
    for (_, options, _), (_, _, before) in zip(trained[1:], trained, strict=False):
        assert f"--start {before}" in options
    assert "publish" in printed.splitlines()[-1]
    with pytest.raises(AssertionError, match="for example: make weights DATA="):
        make("-n", "weights")


def test_make_variations_goes_through_the_claims_or_rehearses_them():
    words = commands("variations", "DATA=a b.zip")[-1]
    assert words[1:] == ["-m", "faceinpaint.studies", "claims", "--data", "a b.zip"]
    words = commands("variations", "EPOCHS=1", "FACES=500")[-1]
    assert words[-4:] == ["--epochs", "1", "--faces", "500"]
    assert commands("variations", "PART=test")[-1][-2:] == ["--part", "test"]


@pytest.mark.parametrize("target", ["evaluate", "restore", "paint"])
def test_make_uses_the_run_that_is_asked_for_even_where_it_is_not_trained(target):
    given = (target, "PHOTO=a.png", "MASK=b.png")
    assert commands(*given, "RUN=runs/none")[-1][-2:] == ["--run", "runs/none"]
    assert commands(*given, "PRESET=rotated", "SIZE=96")[-1][-2:] == ["--run", "runs/rotated_96"]
    assert target == "evaluate" or "--run" not in commands(*given)[-1]


def test_make_notebooks_sees_paths_from_their_folder(tmp_path):
    for name in ("requirements.txt", "pyproject.toml", ".venv/bin/python", ".venv/installed"):  # installed last
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('#!/bin/sh\necho "$FACEINPAINT_RUN, $FACEINPAINT_DATA, $FACEINPAINT_EPOCHS"\n')
        (tmp_path / name).chmod(0o755)
    at = ["-s", "-C", str(tmp_path), "-f", str(ROOT / "Makefile"), "notebooks"]
    assert make(*at).splitlines()[-1] == "../runs/paper, auto, "
    assert make(*at, "DATA=it's mine/a.zip", "EPOCHS=3").splitlines()[-1] == "../runs/paper, ../it's mine/a.zip, 3"
    assert make(*at, "DATA=/an archive.zip", "PRESET=smoke").splitlines()[-1] == "../runs/smoke, /an archive.zip, "


def test_make_lab_opens_the_notebooks():
    assert commands("lab")[-1][1:] == ["-m", "jupyter", "lab", "notebooks"]


def answered(address, seconds=60):
    """The JSON at `address`, as soon as a server answers there."""
    limit = time.time() + seconds
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return json.load(answer)
        except OSError:
            assert time.time() < limit, f"{address}: no answer"
            time.sleep(0.2)


def test_jupyter_lab_answers_with_the_notebooks(tmp_path):
    """What `make lab` starts, asked over HTTP as a browser would."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--no-browser", "--allow-root", f"--ServerApp.port={port}", "--IdentityProvider.token=asked"]
    own = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    command = [sys.executable, "-m", "jupyter", "lab", "notebooks", *options]
    server = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, env=os.environ | own)
    try:
        names = {entry["name"] for entry in answered(f"http://127.0.0.1:{port}/api/contents?token=asked")["content"]}
    finally:
        server.kill()
        server.wait()
    assert {path.name for path in (ROOT / "notebooks").glob("*.ipynb")} <= names


def test_make_clean_spares_what_took_time():
    printed = make("-n", "clean")
    assert not re.search(r"\b(runs|data|\.venv)\b", printed)


def test_make_refuses_an_old_python(tmp_path):
    old = tmp_path / "old python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    run = subprocess.run(["make", "-C", str(tmp_path), "test", f"PYTHON={old}"], capture_output=True, text=True)
    assert run.returncode == 2
    assert "Python 3.11, 3.12 or 3.13 is needed" in run.stderr
    assert not (tmp_path / ".venv").exists()


def test_no_path_of_one_machine_is_written_down():
    machine_path = re.compile(rb"(?<![\w.])/(home|Users|root|work|tmp)/\w|[A-Z]:\\\\?Users")
    found = []
    for path in tracked():
        content = (ROOT / path).read_bytes() if (ROOT / path).is_file() else b""
        if b"\0" not in content[:8000] and machine_path.search(content):
            found.append(str(path))
    assert not found


def function_lengths() -> dict[str, int]:
    """Lines of each function of the package, its docstring left out but for `train_step`'s."""
    lengths = {}
    for path in (ROOT / "faceinpaint").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                documented = node.body[0] if ast.get_docstring(node) is not None else None
                docstring = documented.end_lineno - documented.lineno + 1 if documented else 0
                counted = 0 if node.name == "train_step" else docstring
                lengths[f"{path.relative_to(ROOT)}:{node.name}"] = node.end_lineno - node.lineno + 1 - counted
    return lengths


def test_code_that_a_notebook_shows_is_the_code():
    code = "\n".join(path.read_text() for path in (ROOT / "faceinpaint").rglob("*.py"))
    shown = []
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        texts = [
            "".join(output.get("data", {}).get("text/markdown", ""))
            for cell in cells
            for output in cell.get("outputs", [])
        ]
        shown += [
            text.removeprefix("```python\n").removesuffix("```") for text in texts if text.startswith("```python")
        ]
    assert len(shown) >= 2
    assert all(part in code for part in shown)


def test_functions_are_short():
    lengths = function_lengths()
    assert statistics.median(lengths.values()) <= 10
    assert statistics.quantiles(lengths.values(), n=10)[-1] <= 20
    assert lengths["faceinpaint/inpainter.py:train_step"] <= 30


def hole_psnr(name: str, framings) -> dict:
    """The mean PSNR in the hole by (framing, family, method) in a file of results: no family is left out."""
    from faceinpaint.masks import FAMILIES

    rows = json.loads((ROOT / "notebooks" / name).read_text())["rows"]
    found = {(row["framing"], row["family"], row["method"]): row for row in rows if row["study"] == "family"}
    found = {key: row["hole_psnr"][0] for key, row in found.items() if "hole_psnr" in row}
    methods = {method for *_, method in found}
    assert {"faceinpaint", "mean", "telea", "navier_stokes", "symmetric_crop"} <= methods
    assert set(found) == set(itertools.product(framings, FAMILIES, methods))
    return found


def test_no_family_is_repaired_better_by_a_classical_method():
    from faceinpaint.baselines import BASELINES

    value = hole_psnr("results.json", (178, 128))
    rivals = [key for key in value if key[2] in BASELINES]
    assert len(rivals) > 100
    assert [key for key in rivals if value[key] > value[*key[:2], "faceinpaint"]] == []


def test_the_first_training_on_the_sample_is_better_than_telea():
    value = hole_psnr("sample.json", (178, 128))
    assert [key for key in value if key[2] == "telea" and value[key] > value[*key[:2], "faceinpaint"]] == []


def test_linked_files_exist():
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text())
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []
