"""The perceptual term, and one octave finer."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from faceinpaint import config, fills, lite, lpips, pipeline, training
from faceinpaint.config import UserError
from faceinpaint.inpainter import Inpainter, composite
from faceinpaint.lite.octave import MAX_PARTS, part_of, twice_restored
from faceinpaint.runs import Record, folder
from faceinpaint.system import devices
from faceinpaint.variations import build, check_start, octave, perceptual

SMOKE = config.preset("smoke", precision="float32", size=32)
FINER = config.preset("smoke", precision="float32", size=64, system="octave", mix="thin")


@pytest.fixture(autouse=True)
def plain_lpips(monkeypatch):
    """The mean absolute difference instead of LPIPS, whose weights would have to be fetched."""
    monkeypatch.setattr(lpips, "load", lambda: lambda image, restored: tf.reduce_mean(abs(image - restored), (1, 2, 3)))


@pytest.fixture
def finer():
    inpainter = build(FINER)
    inpainter.compile(steps_per_epoch=100)
    inpainter.start_from(Inpainter(SMOKE))
    return inpainter


def batch(settings, count=8):
    images = np.random.default_rng(0).integers(0, 256, (count, 4, 4, 3), np.uint8).repeat(32, 1).repeat(32, 2)
    return pipeline.training_example(tf.constant(images), settings, tf.constant([0, 0]))


def values(network):
    return [weight.copy() for weight in network.get_weights()]


def test_perceptual_loss_by_hand():
    # log(1 + 0 / .001) = 0, log(1 + .001 (e - 1) / .001) = 1
    assert float(perceptual.perceptual_loss(tf.constant([0.0, 0.001 * (np.e - 1)]))) == pytest.approx(0.5)


@pytest.mark.parametrize(("system", "least"), [("perceptual", 32), ("sc_fegan", 32), ("octave", 64)])
def test_pictures_too_small_for_the_perceptual_term_are_refused(system, least):
    small = config.preset("smoke", system=system, size=least // 2)
    with pytest.raises(UserError, match=f"size {least // 2}: the system {system} is trained on {least} or more"):
        check_start(small, None)


def test_the_perceptual_term_is_part_of_the_reconstruction_loss():
    plain, other = Inpainter(SMOKE), build(config.preset("smoke", precision="float32", size=32, system="perceptual"))
    other.compile(steps_per_epoch=100)
    image, mask, filled = batch(SMOKE)
    term = perceptual.perceptual_loss(tf.reduce_mean(abs(image - filled), (1, 2, 3)))
    error = float(plain.reconstruction_loss(image, [filled], mask))
    assert float(other.reconstruction_loss(image, [filled], mask)) == pytest.approx(error + 0.25 * float(term))


def test_the_finer_fill_keeps_what_is_known_and_enlarges_the_rest():
    image = tf.random.stateless_uniform([1, 4, 4, 3], [0, 0])
    restored = tf.constant([[0.0, 1.0], [0.0, 1.0]])[None, ..., None] * tf.ones([1, 2, 2, 3])
    mask = tf.constant([1.0, 0, 0, 1])[None, :, None, None] * tf.ones([1, 4, 4, 1])
    filled = fills.finer(image, mask, restored).numpy()
    np.testing.assert_array_equal(filled[:, 1:3], image[:, 1:3])
    np.testing.assert_allclose(filled[0, [0, 3], :, 0], [[0, 0.25, 0.75, 1]] * 2)  # by hand, linear between centres


def test_patches_hold_the_hole_at_the_same_place():
    rows, columns = tf.meshgrid(tf.range(16.0), tf.range(16.0), indexing="ij")
    place = tf.tile(tf.stack([rows, columns], -1)[None], [40, 1, 1, 1])
    mask = tf.cast((rows == 3) & (columns == 14), tf.float32)[None, ..., None] * tf.ones([40, 1, 1, 1])
    cut_place, cut_mask = octave.patches([place, mask], mask, 8, tf.constant([0, 1]))
    assert cut_place.shape == (40, 8, 8, 2)
    for place, mask in zip(cut_place.numpy(), cut_mask.numpy(), strict=True):
        assert place[mask[..., 0] > 0].tolist() == [[3, 14]]
    corners = {tuple(place[0, 0]) for place in cut_place.numpy()}
    assert {corner[0] for corner in corners} == {0, 1, 2, 3}
    assert {corner[1] for corner in corners} == {7, 8}


def test_a_step_teaches_the_fine_network_and_leaves_the_coarse_one(finer):
    before = {name: values(finer.generator.get_layer(name)) for name in ("coarse", "fine")}
    finer.train_step(batch(FINER))
    after = {name: values(finer.generator.get_layer(name)) for name in ("coarse", "fine")}
    assert all(np.array_equal(*pair) for pair in zip(before["coarse"], after["coarse"], strict=True))
    assert not any(np.array_equal(*pair) for pair in zip(before["fine"], after["fine"], strict=True))
    averaged = values(finer.averaged_generator.get_layer("fine"))
    assert not any(np.array_equal(*pair) for pair in zip(before["fine"], averaged, strict=True))


def test_both_networks_begin_as_the_trained_one(finer):
    start = values(Inpainter(SMOKE).averaged_generator)
    for network in (finer.generator, finer.averaged_generator):
        for name in ("coarse", "fine"):
            pairs = zip(start, values(network.get_layer(name)), strict=True)
            assert all(np.array_equal(*pair) for pair in pairs)


def test_what_is_restored_is_what_the_fine_network_makes_of_the_coarse_picture(finer):
    image, mask, filled = batch(FINER)
    restored = finer((image, mask, filled)).numpy()
    np.testing.assert_array_equal(restored * (1 - mask), image * (1 - mask))
    finer.averaged_generator.get_layer("coarse").set_weights(
        [0 * weight for weight in values(finer.averaged_generator.get_layer("coarse"))]
    )
    assert not np.array_equal(finer((image, mask, filled)).numpy(), restored)


def test_an_octave_begins_with_a_trained_generator_of_half_the_side(face_archive, tmp_path, monkeypatch):
    monkeypatch.setenv("FACEINPAINT_HOME", str(tmp_path))
    data = str(face_archive)
    with pytest.raises(UserError, match="octave: begins with a generator of 32 pixels; name its run: --start RUN"):
        training.train(FINER, data, tmp_path / "alone")
    assert not (tmp_path / "alone").exists()
    small = config.preset("smoke", precision="float32", size=32, epochs=1, train_images=8)
    training.train(small, data, tmp_path / "small")
    settings = replace(FINER, epochs=1, train_images=8)
    history = training.train(settings, data, tmp_path / "finer", start=tmp_path / "small")
    assert len(history) == 1
    assert (tmp_path / "finer" / "generator.tflite").is_file()
    with pytest.raises(UserError, match=r"--start .*finer: network build_octave there, build_unet asked"):
        training.train(small, data, tmp_path / "back", start=tmp_path / "finer")
    (tmp_path / "finer" / "config.json").unlink()  # its checkpoint holds it too, and what it began with
    assert training.train(settings, data, tmp_path / "finer") == history


def test_what_cannot_begin_is_told_before_the_faces_are_prepared(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "prepare", None)
    with pytest.raises(UserError, match="octave: begins with a generator of 32 pixels"):
        training.train(FINER, "auto", tmp_path / "finer")


def test_only_the_first_worker_is_asked_what_a_run_begins_with(face_archive, tmp_path, monkeypatch):
    monkeypatch.setenv("FACEINPAINT_HOME", str(tmp_path))
    monkeypatch.setattr(devices, "is_chief", lambda strategy: False)
    trained = []
    monkeypatch.setattr(training, "_train", trained.append)
    training.train(replace(FINER, train_images=8), str(face_archive), tmp_path / "finer", start=tmp_path / "elsewhere")
    assert len(trained) == 1


@pytest.fixture
def exported(finer, tmp_path):
    from faceinpaint.lite import export

    export.write(finer, tmp_path / "generator.tflite")
    return lite.LiteInpainter(tmp_path / "generator.tflite", finer.config)


def test_the_fine_network_draws_the_part_where_the_hole_is(finer, exported):
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    mask = np.zeros((64, 64, 1), np.float32)
    mask[2:10, 40:52] = 1
    part = np.s_[0:32, 30:62]
    assert part_of(mask) == part
    given, hole = pipeline.to_float(image[None]), mask[None]
    coarse, fine = octave.unets(finer.averaged_generator)
    filled = finer.finer_fill(coarse, fills.surround(given, hole), hole).numpy()[0]
    drawn = fine(np.concatenate([filled[part], mask[part]], -1)[None]).numpy()[0]
    expected = pipeline.to_uint8(composite(given[0].numpy()[part], drawn, mask[part])).numpy()
    restored = exported.restore(image, mask)
    assert np.abs(restored[part].astype(int) - expected).max() <= 1
    outside = mask[..., 0] == 0
    np.testing.assert_array_equal(restored[outside], image[outside])


def test_a_picture_of_twice_the_side_is_drawn_once_more_where_a_part_of_the_hole_is_small(finer, exported):
    image = np.random.default_rng(1).integers(0, 256, (16, 16, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    mask = np.zeros((128, 128, 1), np.float32)
    mask[20:40, 30:51] = 1  # fits into half of the picture, with a margin
    mask[60:120, 100:110] = 1  # does not
    restored = exported.restore(image, mask)
    small, small_mask = image[::2, ::2], mask.reshape(64, 2, 64, 2).max((1, 3))
    fill = fills.finer(
        pipeline.to_float(image[None]), mask[None], pipeline.to_float(exported.restore(small, small_mask)[None])
    ).numpy()[0]
    part = np.s_[0:64, 8:72]
    _, fine = octave.unets(finer.averaged_generator)
    drawn = fine(np.concatenate([fill[part], mask[part]], -1)[None]).numpy()[0]
    expected = pipeline.to_uint8(fill).numpy()
    expected[part] = np.where(mask[part] > 0, pipeline.to_uint8(drawn).numpy(), expected[part])
    assert np.abs(restored.astype(int) - expected).max() <= 2
    with pytest.raises(ValueError, match=r"expected shape \[N, 64, 64, 3\] or \[N, 128, 128, 3\], got"):
        exported.restore(image[:32, :32], mask[:32, :32])


def test_of_a_hole_of_many_parts_the_largest_are_drawn_once_more():
    drawn = []

    def fine(image, mask):
        drawn.append(mask)
        return {"generated": np.ones_like(image)}

    functions = {"coarse": lambda image, mask: {"filled": np.zeros_like(image)}, "fine_64_64": fine}
    mask = np.zeros((128, 128, 1), np.float32)
    mask[::4, ::4] = 1  # specks, of which the network draws all at once at half the side
    mask[50:60, 50:60] = 1
    restored = twice_restored(functions | {"fine_32_32": fine}, np.zeros((128, 128, 3), np.float32), mask)
    assert len(drawn) == 1 + MAX_PARTS
    assert (restored[50:60, 50:60] == 1).all()


@pytest.mark.parametrize(
    ("rows", "columns", "part"),
    [
        ((0, 1), (63, 64), np.s_[0:32, 32:64]),  # the corners of the picture
        ((20, 36), (20, 37), np.s_[12:44, 0:64]),  # 16 rows and a margin fit, 17 columns do not
        ((0, 64), (30, 34), np.s_[0:64, 16:48]),
        ((0, 0), (0, 0), np.s_[0:32, 0:32]),  # no hole
    ],
)
def test_parts(rows, columns, part):
    mask = np.zeros((64, 64, 1), np.float32)
    mask[slice(*rows), slice(*columns)] = 1
    assert part_of(mask) == part


def test_the_finest_weights_are_what_repairs_photographs(finer, tmp_path, monkeypatch):
    from faceinpaint.lite import export

    monkeypatch.setattr(folder, "WEIGHTS", tmp_path)
    for name, inpainter in (("", Inpainter(SMOKE)), ("octave", finer)):
        run = tmp_path / "runs" / name
        run.mkdir(parents=True, exist_ok=True)
        for file, text in Record(inpainter.config, {"commit": "abc"}).texts().items():
            (run / file).write_text(text)
        inpainter.averaged_generator.save(run / "generator.keras")
        export.publish(run, tmp_path / name)
        assert lite.load().config == inpainter.config
    assert not (tmp_path / "octave" / "generator.keras").exists()


def test_the_fine_network_is_taught_on_what_the_coarse_one_restored(finer, monkeypatch):
    image, mask, filled = batch(FINER)
    coarse, _ = octave.unets(finer.generator)
    expected = image, mask, finer.finer_fill(coarse, filled, mask)
    seen, patches = [], octave.patches
    monkeypatch.setattr(octave, "patches", lambda pictures, *rest: seen.extend(pictures) or patches(pictures, *rest))
    finer.train_step((image, mask, filled))
    for given, wanted in zip(seen, expected, strict=True):
        np.testing.assert_allclose(given, wanted, atol=1e-5)
