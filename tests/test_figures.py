"""What figures are made of: pictures in their places, the networks' boxes and arcs, the curves' values."""

import numpy as np
import pytest

from faceinpaint import config, figures
from faceinpaint.networks import build_discriminator, build_unet
from faceinpaint.studies import diagrams
from faceinpaint.variations.coarse_to_fine import build_coarse_to_fine

SMOKE = config.preset("smoke")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    figures.plt.close("all")


def rows(values: dict[str, list[float]], **labels) -> list[dict]:
    """Rows as `evaluate` makes them, with intervals of ±1; `labels` name a list, as long as each method's values."""
    names = list(labels)
    return [
        {"method": method, "hole_psnr": [value, value - 1, value + 1], **dict(zip(names, label, strict=True))}
        for method, series in values.items()
        for value, *label in zip(series, *labels.values(), strict=True)
    ]


def test_gallery_puts_each_picture_under_its_caption():
    pictures = [np.full([4, 4, 3], grey, np.uint8) for grey in (10, 20, 30)]
    shown = [axes for axes in figures.gallery(pictures, "abc", columns=2).axes if axes.images]
    assert [axes.get_title() for axes in shown] == ["a", "b", "c"]
    assert [axes.images[0].get_array()[0, 0, 0] for axes in shown] == [10, 20, 30]


@pytest.mark.parametrize("ground", [0, 128, 255])
def test_a_hole_can_be_seen_on_any_ground(ground):
    image, mask = np.full([2, 64, 64, 3], ground, np.uint8), np.zeros([2, 64, 64, 1], np.uint8)
    mask[:, 20:40, 30:45] = 255
    damaged = figures.damaged(image, mask)
    seen = (damaged != image).any(axis=-1)
    assert not seen[mask[..., 0] == 0].any()
    assert seen[mask[..., 0] > 0].mean() > 0.4
    assert np.array_equal(damaged[0], figures.damaged(image[0], mask[0]))


def test_columns_of_a_grid_are_found_beside_the_names_of_its_rows():
    stages = [np.full([2, 8, 8, 3], grey, np.uint8) for grey in (10, 20, 30, 40)]
    grid = figures.output_grid(stages[0], np.zeros([2, 8, 8, 1]), *stages[1:], names=["eyes", "nose"])
    columns = {name: figures.grid_column(grid, name) for name in figures.COLUMNS}
    greys = {name: [np.unique(picture).tolist() for picture in column] for name, column in columns.items()}
    assert greys == {name: [[grey]] * 2 for name, grey in zip(figures.COLUMNS, (10, 10, 20, 30, 40), strict=True)}
    strip = figures.filmstrip({0: grid, 1: grid}, ["eyes", "nose"])
    assert strip.shape[1] == 5 * (figures.TILE + figures.GAP)  # names, damaged, two epochs, image


def test_a_long_name_is_not_cut():
    step, rows = figures.TILE + figures.GAP, [[np.zeros([8, 8, 3], np.uint8)]]
    short, long = (figures.tiles(rows, ["title"], [name])[figures.HEADER :] for name in ("eyes", "long_names_" * 4))
    assert short.shape[1] == 2 * step
    assert (long[: figures.TILE, -step : -figures.GAP] == 0).all()
    assert (long[:, -step - 3 : -step] == 255).all()
    assert (long[:, : -2 * step] < 128).any()


def test_outlined_marks_the_square_and_nothing_else():
    marked = figures.outlined(np.zeros([40, 40, 3], np.uint8), [[10, 5, 20]], scale=2).any(axis=-1)
    assert marked.shape == (80, 80)
    assert marked[20:60, [10, 49]].all()  # left and right edges, twice as large
    assert marked[[20, 59], 10:50].all()
    assert not marked[24:56, 14:46].any()
    assert not marked[:18].any()
    assert not marked[:, 52:].any()


def test_boxes_of_the_unet():
    boxes, skips = diagrams.boxes_and_skips(build_unet(SMOKE))
    sides_and_channels = [box[2:] for box in boxes]
    down = [(64, 4), (32, 8), (16, 16), (16, 16), (8, 16), (8, 16), (8, 16)]
    assert sides_and_channels == [*down, (8, 64), (16, 16), (16, 32), (32, 8), (64, 3)]
    assert [(boxes[start][0], boxes[end][0]) for start, end in skips] == [
        ("encode1", "decode1"),
        ("encode0", "decode0"),
    ]
    assert all(boxes[start][2] == boxes[end][2] for start, end in skips)


def test_boxes_of_the_discriminator():
    boxes, skips = diagrams.boxes_and_skips(build_discriminator(SMOKE))
    assert [box[2:] for box in boxes] == [(64, 4), (32, 8), (16, 16), (1, 8), (1, 1)]
    assert not skips


def test_network_diagram_of_two_stages():
    """The second stage sees the input beside what the first has made of it."""
    network = build_coarse_to_fine(SMOKE)
    boxes, skips = diagrams.boxes_and_skips(network)
    assert [box[2:] for box in boxes if box[0].endswith("_out")] == [(64, 3), (64, 3)]
    assert [(boxes[start][0], boxes[end][0]) for start, end in skips] == [("filled_image_and_mask", "fine_in_conv")]
    assert len(diagrams.network_diagram(network).axes[0].patches) == len(boxes)


def test_network_diagram_labels_every_box_and_draws_every_skip():
    network = build_unet(SMOKE)
    (axes,) = diagrams.network_diagram(network).axes
    boxes, skips = diagrams.boxes_and_skips(network)
    assert len(axes.patches) == len(boxes)
    texts = [text.get_text() for text in axes.texts]
    assert [text for text in texts if text] == [str(number) for box in boxes for number in (box[3], box[2])]
    assert texts.count("") == len(skips)
    assert f"{network.count_params():,}" in axes.get_title()


def test_curves_are_drawn_for_each_method_at_its_areas():
    growth = rows({"ours": [30.0, 20.0], "theirs": [25.0, 12.0]}, study=["area"] * 2, area=[0.01, 0.6])
    (axes,) = figures.curves(growth, metrics=["hole_psnr"]).axes
    curves = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert curves == {"ours": [[0.01, 30], [0.6, 20]], "theirs": [[0.01, 25], [0.6, 12]]}
    assert axes.get_ylabel() == "hole_psnr (dB)"


def test_family_figure_draws_each_family_on_its_line():
    (axes,) = figures.family_figure(rows({"ours": [30.0, 20.0], "theirs": [25.0, 12.0]}, family=["eye", "half"])).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["eye", "half"]
    points = {bar.get_label(): bar.lines[0].get_xydata() for bar in axes.containers}
    assert points["theirs"][:, 0].tolist() == [25, 12]
    assert np.round(points["theirs"][:, 1]).tolist() == [0, 1]


def test_names_stand_before_their_rows():
    pictures = [[np.zeros((8, 8, 3), np.uint8)]] * 2
    named, plain = figures.tiles(pictures, ["image"], ["a", "b"]), figures.tiles(pictures, ["image"])
    assert np.array_equal(named[:, 130:], plain)
    margin = named[26:, :128].min(axis=(1, 2))
    assert margin[:128].min() < 100  # a name in each row
    assert margin[130:].min() < 100
