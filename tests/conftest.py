"""Small faces for every test, drawn here: nothing is downloaded."""

import zipfile

import cv2
import numpy as np
import pytest

# Numbers at the beginning of CelebA's official training, validation and test parts.
NUMBERS = [*range(1, 57), *range(162_771, 162_783), *range(182_638, 182_650)]


def draw_face(seed: int) -> np.ndarray:
    """A face-like picture, BGR uint8 [218, 178, 3], its eyes, nose and mouth near CelebA's landmarks."""
    rng = np.random.default_rng(seed)
    backdrop = rng.integers(0, 256, [3, 3, 3], np.uint8)
    face = cv2.resize(backdrop, (178, 218), interpolation=cv2.INTER_CUBIC)
    skin, feature = (tuple(map(int, rng.integers(low, low + 90, 3))) for low in (140, 10))
    x, y = (int(shift) for shift in rng.integers(-3, 4, 2))
    cv2.ellipse(face, (89 + x, 122 + y), (52, 70), 0, 0, 360, skin, -1)
    for eye in (69, 108):
        cv2.ellipse(face, (eye + x, 111 + y), (9, 5), 0, 0, 360, (235, 235, 235), -1)
        cv2.circle(face, (eye + x, 111 + y), 4, feature, -1)
    cv2.line(face, (88 + x, 118 + y), (88 + x, 134 + y), feature, 2)
    cv2.ellipse(face, (89 + x, 150 + y), (17, 6), 0, 0, 180, feature, -1)
    return cv2.GaussianBlur(face, (0, 0), 1.5)


def jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


@pytest.fixture(scope="session")
def face_files() -> dict[str, bytes]:
    """Official file name → JPEG of 178x218: 56 training, 12 validation and 12 test faces."""
    return {f"{number:06d}.jpg": jpeg(draw_face(number)) for number in NUMBERS}


@pytest.fixture(scope="session")
def face_archive(tmp_path_factory, face_files):
    """Path of an `img_align_celeba.zip` of `face_files` with its `list_eval_partition.txt` beside it."""
    path = tmp_path_factory.mktemp("celeba") / "img_align_celeba.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in face_files.items():
            archive.writestr(f"img_align_celeba/{name}", content)
    parts = [0] * 56 + [1] * 12 + [2] * 12
    lines = [f"{name} {part}\n" for name, part in zip(face_files, parts, strict=True)]
    path.with_name("list_eval_partition.txt").write_text("".join(lines))
    return path


@pytest.fixture(scope="session")
def lite_run(tmp_path_factory):
    """A run directory with the little that restoring without TensorFlow needs: an untrained generator of 32 pixels."""
    from faceinpaint import config
    from faceinpaint.inpainter import Inpainter
    from faceinpaint.lite import export

    folder = tmp_path_factory.mktemp("run")
    settings = config.preset("smoke", precision="float32", size=32)
    (folder / "config.json").write_text(config.to_json(settings))
    export.write(Inpainter(settings), folder / "generator.tflite")
    return folder


@pytest.fixture
def drawn_alexnet(monkeypatch):
    """LPIPS and its features with random weights and few channels: nothing is fetched."""
    import tensorflow as tf

    from faceinpaint import lpips

    rng, layers = np.random.default_rng(0), []
    for k, before in zip((11, 5, 3, 3, 3), (3, 8, 8, 8, 8), strict=True):
        shapes = (k, k, before, 8), (8,), (8, 1)
        layers.append([tf.constant(np.abs(rng.normal(0, 0.1, shape)), tf.float32) for shape in shapes])
    monkeypatch.setattr(lpips, "_layers", lambda root=None: layers)
