"""Pictures as arrays and `matplotlib` figures. Nothing is saved here."""

import cv2
import matplotlib.pyplot as plt
import numpy as np

COLUMNS = ("image", "damaged", "filled", "generated", "restored")
HEADER = 26  # pixels above a grid, for the columns' names
TILE = 128  # side of one picture in a grid
GAP = 2
FONT = cv2.FONT_HERSHEY_SIMPLEX, 0.5  # and its scale
CHECKS = 16  # in the shorter side of a picture
WHITE, GREY = np.uint8(255), np.uint8(185)


def damaged(images, masks):
    """`images` uint8 [..., H, W, 3] with their holes drawn as a checkered ground, to be seen on white and on black.

    masks: [..., H, W, 1], nonzero = hole.
    """
    height, width = np.shape(images)[-3:-1]
    side = max(1, min(height, width) // CHECKS)
    rows, columns = np.arange(height)[:, None] // side, np.arange(width) // side
    checks = np.where((rows + columns) % 2, GREY, WHITE)[..., None]
    return np.where(np.asarray(masks) > 0, checks, images)


def _enlarged(image):
    return cv2.resize(image, (TILE, TILE), interpolation=cv2.INTER_CUBIC)


def _text(canvas, text, left, top):
    cv2.putText(canvas, text, (left, top + HEADER - 8), *FONT, (40, 40, 40), 1, cv2.LINE_AA)


def tiles(rows, titles, names=()):
    """A picture of pictures: rows × columns with a title above each column and, where given, a name before each row.

    rows: list of lists of uint8 [H, W, 3]; titles: one for each column → uint8 [height, width, 3].
    """
    step = TILE + GAP
    widths = [cv2.getTextSize(name, *FONT, 1)[0][0] for name in names]
    margin = max(step, max(widths) + 8) if names else 0
    canvas = np.full((HEADER + len(rows) * step, margin + len(titles) * step, 3), 255, np.uint8)
    for column, title in enumerate(titles):
        _text(canvas, title, margin + column * step + 4, 0)
    for row, name in enumerate(names):
        _text(canvas, name, 4, HEADER + row * step + (TILE - HEADER) // 2)
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            top, left = HEADER + row * step, margin + column * step
            canvas[top : top + TILE, left : left + TILE] = _enlarged(picture)
    return canvas


def output_grid(images, masks, filled, generated, restored, names=()):
    """One row for each face, one column for each of `COLUMNS`: uint8 [height, width, 3].

    All uint8 [N, H, W, 3], `masks` [N, H, W, 1]; names: the rows', where given. Kept faces make the grids of successive
    epochs comparable.
    """
    columns = (images, damaged(images, masks), filled, generated, restored)
    return tiles([list(row) for row in zip(*columns, strict=True)], COLUMNS, names)


def grid_column(grid, name):
    """The pictures of one column of an `output_grid`, each uint8 [TILE, TILE, 3]."""
    step = TILE + GAP
    left = grid.shape[1] - (len(COLUMNS) - COLUMNS.index(name)) * step
    tops = range(HEADER, grid.shape[0] - TILE + 1, step)
    return [grid[top : top + TILE, left : left + TILE] for top in tops]


def filmstrip_epochs(last):
    """The epochs a filmstrip shows: 0, 1, 2, 5, 10, 20, 50, 100, ... and the last."""
    milestones = (digit * 10**power for power in range(7) for digit in (1, 2, 5))
    return [0, *(epoch for epoch in milestones if epoch < last), *([last] if last else [])]


def filmstrip(grids, names=()):
    """The same faces restored at successive epochs. grids: {epoch: output_grid}; names: the rows', where given → uint8
    [height, width, 3]."""
    first = next(iter(grids.values()))
    columns = [grid_column(first, "damaged"), *(grid_column(grid, "restored") for grid in grids.values())]
    titles = ["damaged", *(f"epoch {epoch}" for epoch in grids), "image"]
    return tiles([list(row) for row in zip(*columns, grid_column(first, "image"), strict=True)], titles, names)


def loss_figure(history):
    """The loss graph of both networks and the validation PSNR, from the lines of `history.jsonl`."""
    epochs = [line["epoch"] for line in history]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    for name in ("generator_loss", "adversarial_loss", "discriminator_loss", "reconstruction_loss"):
        left.plot(epochs, [line[name] for line in history], marker=".", label=name)
    left.axhline(np.log(2), color="grey", linewidth=0.8, linestyle=":", label="a coin toss, ln 2")
    left.set(xlabel="epoch", ylabel="loss", yscale="log")
    left.yaxis.set(major_formatter="{x:g}", minor_formatter="{x:g}")
    right.plot(epochs, [line["val_psnr"] for line in history], marker=".", label="whole image")
    right.plot(epochs, [line["val_hole_psnr"] for line in history], marker=".", label="hole only")
    right.set(xlabel="epoch", ylabel="validation PSNR (dB)")
    for axes in (left, right):
        axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
        axes.grid(alpha=0.3)
    return figure


def picture(array, width=9):
    """An array of pixels as a figure without axes, `width` inches wide, for notebooks."""
    height = width * array.shape[0] / array.shape[1]
    figure = plt.figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(array)
    axes.axis("off")
    return figure


def gallery(pictures, captions, columns, width=9):
    """Pictures uint8 [H, W, 3], `columns` in a row, each under its caption; `width` in inches."""
    rows, tallest = -(-len(pictures) // columns), max(len(array) / len(array[0]) for array in pictures)
    height = rows * (width / columns * tallest + 0.2)
    figure, grid = plt.subplots(rows, columns, figsize=(width, height), squeeze=False, layout="constrained")
    for axes in grid.flat:
        axes.axis("off")
    for axes, array, caption in zip(grid.flat, pictures, captions, strict=False):  # the last row may be short
        axes.imshow(array, interpolation="bicubic")
        axes.set_title(caption, fontsize=8, pad=3)
    return figure


def outlined(image, squares, scale=3):
    """`image` uint8 [H, W, 3] enlarged `scale` times, with the outlines of `squares` [N, 3]: top, left, side."""
    canvas = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    for top, left, side in np.asarray(squares) * scale:
        corners = (round(left), round(top)), (round(left + side) - 1, round(top + side) - 1)
        cv2.rectangle(canvas, *corners, (230, 0, 120), scale)
    return canvas


STUDIES = {"area": "hole area (fraction of the image)", "turn": "turn of the head (degrees)"}


def _summaries(rows, metric):
    """Method → its [mean, low, high] of `metric` in each of its rows that have it, as an array [3, rows]."""
    rows = [row for row in rows if metric in row]
    methods = dict.fromkeys(row["method"] for row in rows)
    return {name: np.array([row[metric] for row in rows if row["method"] == name]).T for name in methods}


def _label(metric):
    return f"{metric} (dB)" if metric.endswith("psnr") else metric


def family_figure(rows, metrics=("hole_psnr",)):
    """Each of `metrics` for each family and method, with 95 % intervals, from rows of `evaluate` at one framing."""
    families = list(dict.fromkeys(row["family"] for row in rows))
    height = 0.4 * len(families) + 1.2
    figure, panels = plt.subplots(
        1, len(metrics), figsize=(10, height), layout="constrained", sharey=True, squeeze=False
    )
    for axes, metric in zip(panels.flat, metrics, strict=True):
        summaries = _summaries(rows, metric)
        for index, (method, (mean, low, high)) in enumerate(summaries.items()):
            places = np.arange(len(families)) + 0.11 * (index - (len(summaries) - 1) / 2)
            axes.errorbar(mean, places, xerr=[mean - low, high - mean], fmt="o", markersize=4, label=method)
        axes.set(xlabel=_label(metric), xscale="log" if metric == "lpips" else "linear")
        axes.grid(alpha=0.3)
    panels[0, 0].set_yticks(range(len(families)), families)
    panels[0, 0].invert_yaxis()
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=8)
    return figure


def curves(rows, study="area", metrics=("hole_psnr", "psnr")):
    """Quality along a study, "area" of the hole (fractions) or "turn" of the head (degrees): a curve for each method
    with its 95 % interval, from rows of `evaluate`."""
    rows = [row for row in rows if row["study"] == study]
    places = list(dict.fromkeys(row[study] for row in rows))
    figure, panels = plt.subplots(1, len(metrics), figsize=(10, 3.6), layout="constrained", squeeze=False)
    for axes, metric in zip(panels.flat, metrics, strict=True):
        for method, (mean, low, high) in _summaries(rows, metric).items():
            axes.plot(places, mean, marker=".", label=method)
            axes.fill_between(places, low, high, alpha=0.15)
        axes.set(xlabel=STUDIES[study], ylabel=_label(metric))
        axes.grid(alpha=0.3)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=8)
    return figure
