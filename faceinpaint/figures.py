"""Pictures as arrays and `matplotlib` figures. Nothing is saved here."""

import cv2
import matplotlib.pyplot as plt
import numpy as np

COLUMNS = ("image", "damaged", "filled", "generated", "restored")
HEADER = 26  # pixels above a grid, for the columns' names
TILE = 128  # side of one picture in a grid
GAP = 2


def damaged(images, masks):
    """`images` uint8 [N, H, W, 3] with their holes painted white; masks: [N, H, W, 1], nonzero = hole."""
    return np.where(masks > 0, np.uint8(255), images)


def _enlarged(image):
    return cv2.resize(image, (TILE, TILE), interpolation=cv2.INTER_CUBIC)


def _text(canvas, text, left, top):
    cv2.putText(canvas, text, (left, top + HEADER - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (40, 40, 40), 1, cv2.LINE_AA)


def tiles(rows, titles):
    """A picture of pictures: rows × columns with a title above each column.

    rows: list of lists of uint8 [H, W, 3]; titles: one for each column → uint8 [height, width, 3].
    """
    step = TILE + GAP
    canvas = np.full((HEADER + len(rows) * step, len(titles) * step, 3), 255, np.uint8)
    for column, title in enumerate(titles):
        _text(canvas, title, column * step + 4, 0)
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            top, left = HEADER + row * step, column * step
            canvas[top : top + TILE, left : left + TILE] = _enlarged(picture)
    return canvas


def output_grid(images, masks, filled, generated, restored):
    """One row for each face, one column for each stage (`COLUMNS`): uint8 [height, width, 3].

    All uint8 [N, H, W, 3], `masks` [N, H, W, 1]. Kept faces make the grids of successive epochs comparable.
    """
    stages = (images, damaged(images, masks), filled, generated, restored)
    return tiles([list(row) for row in zip(*stages, strict=True)], COLUMNS)


def grid_column(grid, name):
    """The pictures of one column of an `output_grid`, each uint8 [TILE, TILE, 3]."""
    left, step = COLUMNS.index(name) * (TILE + GAP), TILE + GAP
    tops = range(HEADER, grid.shape[0] - TILE + 1, step)
    return [grid[top : top + TILE, left : left + TILE] for top in tops]


def filmstrip_epochs(last):
    """The epochs a filmstrip shows: 0, 1, 2, 5, 10, 20, 50, 100, ... and the last."""
    milestones = (digit * 10**power for power in range(7) for digit in (1, 2, 5))
    return [0, *(epoch for epoch in milestones if epoch < last), *([last] if last else [])]


def filmstrip(grids):
    """The same faces restored at successive epochs. grids: {epoch: output_grid} → uint8 [height, width, 3]."""
    first = next(iter(grids.values()))
    columns = [grid_column(first, "damaged"), *(grid_column(grid, "restored") for grid in grids.values())]
    titles = ["damaged", *(f"epoch {epoch}" for epoch in grids), "image"]
    return tiles([list(row) for row in zip(*columns, grid_column(first, "image"), strict=True)], titles)


def loss_figure(history):
    """The loss graph of both networks and the validation PSNR, from the lines of `history.jsonl`."""
    epochs = [line["epoch"] for line in history]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    for name in ("generator_loss", "adversarial_loss", "discriminator_loss", "reconstruction_loss"):
        left.plot(epochs, [line[name] for line in history], marker=".", label=name)
    left.axhline(np.log(2), color="grey", linewidth=0.8, linestyle=":", label="a coin toss, ln 2")
    left.set(xlabel="epoch", ylabel="loss", yscale="log")
    right.plot(epochs, [line["val_psnr"] for line in history], marker=".", label="whole image")
    right.plot(epochs, [line["val_hole_psnr"] for line in history], marker=".", label="hole only")
    right.set(xlabel="epoch", ylabel="validation PSNR (dB)")
    for axes in (left, right):
        axes.legend(fontsize=8)
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
