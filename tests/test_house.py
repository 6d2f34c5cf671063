"""The house: what stands on top, which rooms there are, which way imports go, and that all of it is in a wheel."""

import ast
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "faceinpaint"
# From the ground up: a module imports what stands before it, or on its own floor below, never what stands after it.
FLOORS = [
    ["config"],
    ["system"],
    ["classical"],
    ["masks", "fills", "networks", "losses", "contract", "metrics", "baselines", "figures", "lpips"],
    ["celeba"],
    ["pipeline"],
    ["inpainter"],
    ["runs"],
    ["variations"],
    ["lite"],
    ["evaluation"],
    ["training"],
    ["photo"],
    ["studies"],
    ["paint"],
    ["bench"],
    ["__main__"],
]
HEIGHT = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[str, str]]:
    """(room, what is named after it) of everything in `path` that is imported from this package."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] == "faceinpaint":
            _, _, inside = node.module.partition(".")
            names = [f"{inside}.{alias.name}" if inside else alias.name for alias in node.names]
            found += [tuple((name + ".").split(".", 1)) for name in names]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way_and_into_rooms_through_their_doors(path):
    room = room_of(path)
    for other, inside in imports(path):
        if room in ("__init__", other) or other not in HEIGHT:
            continue  # the package's own door, a room's own modules, and the public names of `config` on the package
        assert HEIGHT[other] <= HEIGHT[room], f"{room} imports {other}, which stands above it"
        if path.parent == PACKAGE and (PACKAGE / other).is_dir():
            assert inside.count(".") == 1, f"{room} enters {other} past its door: {inside}"


def test_every_room_has_its_floor_and_a_door_that_says_what_lives_there():
    rooms = {room_of(path) for path in MODULES} - {"__init__"}
    assert rooms == set(HEIGHT)
    for folder in (path for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()):
        assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text())), folder.name


def test_the_top_stays_thin():
    top = sorted(PACKAGE.glob("*.py"))
    assert len(top) <= 16, [path.stem for path in top]
    assert sum(len(path.read_text().splitlines()) for path in top) <= 2250


def files_in(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def test_a_wheel_holds_every_room_and_the_weights(tmp_path):
    """Built and unpacked elsewhere, every module is there and the package finds its weights."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(PACKAGE.parent / name, source)
    shutil.copytree(PACKAGE, source / "faceinpaint", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "."]
    run = subprocess.run(pip, cwd=source, capture_output=True, text=True)
    if "setuptools" in run.stderr and "No matching distribution" in run.stderr:
        pytest.skip("offline: the wheel's build needs setuptools from the package index")
    assert run.returncode == 0, run.stderr
    with zipfile.ZipFile(next(source.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "installed")
    installed = tmp_path / "installed" / "faceinpaint"
    files = {
        path.relative_to(PACKAGE) for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    }
    assert files == {path.relative_to(installed) for path in installed.rglob("*") if path.is_file()}
    code = "import faceinpaint, faceinpaint.lite; print(faceinpaint.__file__); faceinpaint.lite.load()"
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "installed", capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == str(installed / "__init__.py")
