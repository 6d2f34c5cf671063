"""The exported generator: equal to Keras, without TensorFlow."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from faceinpaint import config, lite
from faceinpaint.config import UserError
from faceinpaint.runs import folder as restoring

FILLS = [{"fill": fill} for fill in ("surround", "mean", "constant", "noise", "uniform", "mosaic")]
CASES = [*FILLS, {"system": "coarse_to_fine"}, {"system": "octave"}, {"system": "blind"}, {"size": 48}]


def examples(size, seed=0):
    """Images uint8 [4, size, size, 3] and holes: a square, scattered pixels, everything, nothing."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (4, size, size, 3), np.uint8)
    masks = np.zeros((4, size, size), bool)
    masks[0, size // 4 : size // 2, size // 3 :] = True
    masks[1] = rng.random((size, size)) < 0.8
    masks[2] = True
    return images, masks


def raw_difference(inpainter, restorer):
    """The largest difference between both outputs before rounding, images one by one."""
    from faceinpaint.lite.export import _fill

    images, masks = examples(inpainter.config.size)
    fill = _fill(inpainter.config)
    differences = []
    for image, mask in zip(images, masks[..., None].astype(np.float32), strict=True):
        given, hole = image[None].astype(np.float32) / 127.5 - 1, mask[None]
        expected = inpainter([given, hole, fill(given, hole)]).numpy()[0]
        differences.append(np.abs(expected - restorer._restored(image, mask)).max())
    return max(differences)


@pytest.mark.parametrize("changes", CASES, ids=lambda changes: str(*changes.values()))
def test_equal_to_keras_for_every_fill_and_generator(changes, tmp_path):
    from faceinpaint.lite import export
    from faceinpaint.variations import build

    inpainter = build(config.preset("smoke", **{"precision": "float32", "size": 32} | changes))
    export.write(inpainter, tmp_path / "generator.tflite")
    restorer = lite.LiteInpainter(tmp_path / "generator.tflite", inpainter.config)
    assert raw_difference(inpainter, restorer) < 1e-5
    images, masks = examples(inpainter.config.size)
    for image, mask in zip(images, masks, strict=True):
        restored, expected = restorer.restore(image, mask), inpainter.restore(image, mask)
        assert np.abs(restored.astype(int) - expected).max() <= 1  # where the value lies between two
        assert np.array_equal(restored[~mask], image[~mask])
    assert [path.name for path in tmp_path.iterdir()] == ["generator.tflite"]


def test_weights_that_float16_holds_take_half_the_room(tmp_path):
    from faceinpaint.inpainter import Inpainter
    from faceinpaint.lite import export

    inpainter = Inpainter(config.preset("smoke", precision="float32", size=32, generator_widths=(32, 64, 64)))
    whole = len(export.convert(inpainter))
    export.halve(inpainter)
    export.write(inpainter, tmp_path / "generator.tflite")
    assert (tmp_path / "generator.tflite").stat().st_size < 0.65 * whole
    assert raw_difference(inpainter, lite.LiteInpainter(tmp_path / "generator.tflite", inpainter.config)) < 1e-5


def test_contract(lite_run):
    restorer = lite.load(lite_run)
    size = restorer.config.size
    images, masks = examples(size)
    before = images.copy(), masks.copy()
    restored = restorer.restore(images, masks)
    assert restored.dtype == np.uint8
    assert restored.shape == images.shape
    assert np.array_equal(restored[~masks], images[~masks])
    assert np.array_equal(restored, restorer.restore(images, masks[..., None] * 255))
    assert np.array_equal(restored[0], restorer.restore(images[0], masks[0]))
    spoiled = np.where(masks[..., None], 255 - images, images)
    assert np.array_equal(restored[masks], restorer.restore(spoiled, masks)[masks]), "what lies in the hole is not seen"
    assert np.array_equal(images, before[0])
    assert np.array_equal(masks, before[1])


@pytest.mark.parametrize(
    ("images", "masks", "message"),
    [
        (np.zeros((1, 32, 32, 3)), np.zeros((1, 32, 32)), "expected uint8"),
        (np.zeros((1, 16, 16, 3), np.uint8), np.zeros((1, 16, 16)), r"expected shape \[N, 32, 32, 3\]"),
        (np.zeros((0, 32, 32, 3), np.uint8), np.zeros((0, 32, 32)), "empty batch"),
        (np.zeros((2, 32, 32, 3), np.uint8), np.zeros((1, 32, 32)), r"expected shape \[2, 32, 32, 1\]"),
    ],
)
def test_the_contract_is_checked(images, masks, message, lite_run):
    with pytest.raises(ValueError, match=message):
        lite.load(lite_run).restore(images, masks)


def test_what_cannot_be_loaded_is_said(lite_run, tmp_path, monkeypatch):
    with pytest.raises(
        UserError, match=r"no trained generator; `python -m faceinpaint train --run .*`.* after the last epoch"
    ):
        lite.load(tmp_path)
    shutil.copy(lite_run / "config.json", tmp_path)
    content = (lite_run / "generator.tflite").read_bytes()
    for damaged in (b"", b"not a model", content[: len(content) // 2], b"<html>" + content):
        (tmp_path / "generator.tflite").write_bytes(damaged)
        with pytest.raises(
            UserError, match="not a generator that LiteRT can run; delete it, and `python -m faceinpaint train"
        ):
            lite.load(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(UserError, match=r"config.json: not there; restore it"):
        lite.load(tmp_path)
    shutil.copy(lite_run / "config.json", tmp_path)
    monkeypatch.setattr(restoring, "WEIGHTS", tmp_path)
    with pytest.raises(UserError, match=r"not a generator that LiteRT can run; install the package anew, or .* --run"):
        lite.load()
    monkeypatch.setattr(restoring, "WEIGHTS", tmp_path / "weights")
    with pytest.raises(UserError, match=r"generator.tflite: the trained weights are not here; .* --run"):
        lite.load()


def test_the_weights_that_come_with_the_package_are_equal_to_keras():
    if not (restoring.WEIGHTS / restoring.EXPORTED).is_file():
        pytest.skip("faceinpaint/weights is not there")
    from faceinpaint import load

    assert raw_difference(load(), lite.load(restoring.WEIGHTS)) < 1e-5


def test_what_is_published_is_small_and_equal_in_both_forms(tmp_path):
    from faceinpaint import load
    from faceinpaint.inpainter import Inpainter
    from faceinpaint.lite import export

    run, published = tmp_path / "run", tmp_path / "weights"
    run.mkdir()
    inpainter = Inpainter(config.preset("smoke", precision="float32", generator_widths=(32, 64, 64)))
    (run / "config.json").write_text(config.to_json(inpainter.config))
    (run / "environment.json").write_text('{"commit": "abc"}')
    (run / "history.jsonl").write_text('{"epoch": 1}\n')
    (run / "timing.jsonl").write_text('{"epoch": 1, "seconds": 2.5}\n')
    inpainter.averaged_generator.save(run / "generator.keras")
    export.publish(run, published)
    assert sorted(path.name for path in published.iterdir()) == [
        "config.json", "environment.json", "generator.keras", "generator.tflite", "history.jsonl", "timing.jsonl"
    ]  # fmt: skip
    assert (published / "history.jsonl").read_bytes() == (run / "history.jsonl").read_bytes()
    assert json.loads((published / "timing.jsonl").read_text()) == {"run": "run", "epoch": 1, "seconds": 2.5}
    assert (published / "generator.keras").stat().st_size < 0.75 * (run / "generator.keras").stat().st_size
    loaded = load(published)
    assert raw_difference(loaded, lite.load(published)) < 1e-5
    pairs = (model.averaged_generator.get_weights() for model in (loaded, inpainter))
    for rounded, weights in zip(*pairs, strict=True):
        assert np.allclose(rounded, weights, rtol=1e-3, atol=1e-6)


def test_weights_of_an_earlier_version_are_published_anew(tmp_path, monkeypatch):
    """In the graph and config of today: the same weights, and what is retired told apart."""
    from faceinpaint import load
    from faceinpaint.inpainter import Inpainter
    from faceinpaint.lite import export
    from faceinpaint.networks import build_unet

    inpainter = Inpainter(config.preset("smoke", precision="float32", size=32))
    told = json.loads(config.to_json(inpainter.config)) | {"generator": "unet", "average_momentum": 0.999}
    (tmp_path / "config.json").write_text(json.dumps(told))
    (tmp_path / "environment.json").write_text('{"commit": "abc"}')
    with monkeypatch.context() as patch:
        patch.setattr("faceinpaint.networks.ops", EARLIER_OPERATIONS)
        earlier = build_unet(inpainter.config)
    earlier.set_weights(inpainter.averaged_generator.get_weights())
    earlier.save(tmp_path / "generator.keras")
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 4)).astype(np.float32)
    assert np.allclose(earlier(picture), inpainter.averaged_generator(picture), atol=1e-6)
    before = [weight.astype(np.float16) for weight in load(tmp_path).averaged_generator.get_weights()]
    export.publish(tmp_path, tmp_path)
    assert config.read(tmp_path / "config.json") == inpainter.config
    environment = json.loads((tmp_path / "environment.json").read_text())
    assert environment == {"commit": "abc", "retired": {"generator": "unet", "average_momentum": 0.999}}
    for old, new in zip(before, load(tmp_path).averaged_generator.get_weights(), strict=True):
        assert np.array_equal(old, new)
    assert raw_difference(load(tmp_path), lite.load(tmp_path)) < 1e-5


def reshaped(first, last):
    """2x2 squares into channels or back by layers, as earlier versions built it."""
    from keras import layers

    def rearranged(x, _):
        x = layers.Reshape(first(*x.shape[1:]))(x)
        before = x.shape[1:]
        x = layers.Permute((1, 3, 2, 4))(x)
        return layers.Reshape(last(*before))(x)

    return rearranged


EARLIER_OPERATIONS = SimpleNamespace(
    space_to_depth=reshaped(
        lambda height, width, depth: (height // 2, 2, width // 2, 2 * depth),
        lambda height, _, width, depth: (height, width, 2 * depth),
    ),
    depth_to_space=reshaped(
        lambda height, width, depth: (height, width, 2, depth // 2),
        lambda height, width, _, depth: (2 * height, 2 * width, depth // 2),
    ),
)
