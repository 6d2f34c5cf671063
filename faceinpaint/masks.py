"""Damage: families of holes, drawn for a whole batch at once in TensorFlow.

Every family is a function `family(frames, size, seed)` that returns `mask` [B, size, size, 1], float32, 1 = hole.
`frames` [B, 3], (top, left, side) in pixels of the aligned face's centre square of 178, says what each picture shows,
so that a hole over the nose lies over the nose in a close view as well. `seed` is an integer tensor [2]; equal seeds
give equal holes.
"""

from functools import cache, partial

import tensorflow as tf

# Facial parts in the whole frame: (centre row, centre column, half height, half width). The centres lie near CelebA's
# mean landmarks, the nose's above its tip. Eyes and mouth are about as large as the masks O3 and O6 of Generative Face
# Completion (Li et al. 2017, arXiv:1704.05838). The last reaches from under the nose to under the chin.
PARTS = {
    "eyes": (90.0, 88.5, 11.0, 36.0),
    "left_eye": (90.0, 69.0, 11.0, 17.0),
    "right_eye": (90.0, 108.0, 11.0, 17.0),
    "nose": (108.0, 88.5, 19.0, 15.0),
    "mouth": (131.0, 89.0, 15.0, 24.0),
    "mouth_and_chin": (143.0, 89.0, 27.0, 32.0),
}


def _uniform(seed, shape, low=0.0, high=1.0):
    return tf.random.stateless_uniform(shape, seed, low, high)


def seeds(seed, count):
    """`count` seeds, integers [2] each, that depend on `seed` alone."""
    return tf.unstack(tf.random.split(seed, count), num=count)


def _draws(frames, seed, count, low=0.0, high=1.0):
    """`count` independent uniform numbers for each picture, each [B, 1, 1] so that it broadcasts over pixels."""
    numbers = _uniform(seed, [count, tf.shape(frames)[0], 1, 1], low, high)
    return tf.unstack(numbers, num=count)


def _pixel_centres(size):
    """Rows [1, size, 1] and columns [1, 1, size] of the pixels' centres."""
    centres = tf.range(size, dtype=tf.float32) + 0.5
    return centres[None, :, None], centres[None, None, :]


def _as_mask(hole, frames, size):
    """Boolean hole, broadcastable to [B, size, size] → mask [B, size, size, 1]."""
    return tf.cast(tf.broadcast_to(hole, [tf.shape(frames)[0], size, size]), tf.float32)[..., None]


def _inside(top, left, height, width, size):
    rows, columns = _pixel_centres(size)
    return (rows > top) & (rows < top + height) & (columns > left) & (columns < left + width)


def boxes(frames, size, seed):
    """Rectangles of a twentieth to half of the picture, proportions 1:2 to 2:1, anywhere in the picture."""
    areas, aspects, rows, columns = _draws(frames, seed, 4)
    areas = 0.05 + 0.45 * areas
    aspects = tf.pow(2.0, 2.0 * aspects - 1.0)
    height = size * tf.minimum(tf.sqrt(areas * aspects), 1.0)
    width = size * tf.minimum(tf.sqrt(areas / aspects), 1.0)
    hole = _inside(rows * (size - height), columns * (size - width), height, width, size)
    return _as_mask(hole, frames, size)


def centre(frames, size, seed, area=0.25):
    """The square of `area` in the middle: 32x32 of 64x64 by default. Needs no seed."""
    side = size * area**0.5
    corner = (size - side) / 2
    return _as_mask(_inside(corner, corner, side, side, size), frames, size)


def half(frames, size, seed):
    """The left, right, upper or lower half."""
    side, first = _draws(frames, seed, 2)
    rows, columns = _pixel_centres(size)
    position = tf.where(side < 0.5, rows, columns)
    return _as_mask((position < size / 2) == (first < 0.5), frames, size)


def rectangle(frames, size, seed, rows, columns):
    """A fixed rectangle given as inclusive (first, last) rows and columns of a 64x64 picture. Needs no seed."""
    top, left, scale = rows[0], columns[0], size / 64
    height, width = rows[1] + 1 - top, columns[1] + 1 - left
    return _as_mask(_inside(top * scale, left * scale, height * scale, width * scale, size), frames, size)


def part(frames, size, seed, names, jitter=4.0, scale=(0.8, 1.3)):
    """One of the facial parts `names`, as an ellipse or a rectangle; shifted by up to `jitter` pixels of the original,
    and scaled in each direction by a factor drawn from `scale`."""
    which, shape, row_shift, column_shift, row_scale, column_scale = _draws(frames, seed, 6)
    choice = tf.cast(which * len(names), tf.int32)
    row, column, half_height, half_width = tf.unstack(tf.gather(tf.constant([PARTS[n] for n in names]), choice), 4, -1)
    top, left, side = (frames[:, i, None, None] for i in range(3))
    zoom = size / side
    row = (row + jitter * (2 * row_shift - 1) - top) * zoom
    column = (column + jitter * (2 * column_shift - 1) - left) * zoom
    half_height *= zoom * (scale[0] + (scale[1] - scale[0]) * row_scale)
    half_width *= zoom * (scale[0] + (scale[1] - scale[0]) * column_scale)
    rows, columns = _pixel_centres(size)
    down, across = tf.abs(rows - row) / half_height, tf.abs(columns - column) / half_width
    hole = tf.where(shape < 0.5, tf.maximum(down, across) < 1, down**2 + across**2 < 1)
    return _as_mask(hole, frames, size)


def pixels(frames, size, seed, rate=(0.8, 0.8)):
    """Each pixel lost independently, with a probability drawn from `rate` for each picture."""
    rate_seed, pixel_seed = seeds(seed, 2)
    (rates,) = _draws(frames, rate_seed, 1, *rate)
    return _as_mask(_uniform(pixel_seed, [tf.shape(frames)[0], size, size]) < rates, frames, size)


def _lowest(field, area, frames, size, seed):
    """The hole made of each picture's lowest values of `field` [B, size * size], as many as a fraction drawn from
    `area` asks for: any shape gets an exact hole area this way."""
    (areas,) = _draws(frames, seed, 1, *area)
    rank = tf.cast(tf.round(areas[:, 0] * size * size), tf.int32)
    threshold = tf.gather(tf.sort(field), tf.maximum(rank - 1, 0), batch_dims=1)
    return _as_mask(tf.reshape(field <= threshold, [-1, size, size]), frames, size)


def _keys_cubic(distance):
    """Keys' cubic convolution kernel with a = -0.75, as OpenCV's bicubic (Keys 1981; his own, eq. 15, has -0.5)."""
    x = tf.minimum(tf.abs(distance), 2.0)
    return tf.where(x < 1, (1.25 * x - 2.25) * x * x + 1, -0.75 * (((x - 5) * x + 8) * x - 4))


def blobs(frames, size, seed, area=(0.2, 0.3), cell=(0.26, 0.26)):
    """Random blobs: coarse noise, bicubically enlarged and cut at a level. `cell` is the noise's step as a fraction
    of the picture; 0.26 is the 1 / 0.06 pixels of Context Encoders' "random region" (Pathak et al. 2016) at 64x64."""
    noise_seed, cell_seed, area_seed = seeds(seed, 3)
    nodes = int(1 / cell[0]) + 5
    noise = _uniform(noise_seed, [tf.shape(frames)[0], nodes, nodes])
    step, row_start, column_start = _draws(frames, cell_seed, 3)
    step = size * (cell[0] + (cell[1] - cell[0]) * step)
    rows, _ = _pixel_centres(size)
    node = tf.range(nodes, dtype=tf.float32)[None, None, :]
    row_weights = _keys_cubic(rows / step + 1 + row_start - node)  # [B, size, nodes]
    column_weights = _keys_cubic(rows / step + 1 + column_start - node)
    field = row_weights @ noise @ tf.linalg.matrix_transpose(column_weights)  # [B, size, size]
    return _lowest(tf.reshape(field, [-1, size * size]), area, frames, size, area_seed)


def _polylines(frames, size, seed, lines, points, length, turn):
    """Vertices of random walks, in pixels: starts and ends of the segments, each [B, lines * (points - 1), 2].
    A walk's heading drifts by a normal angle of `turn` radians at each vertex, as a hand's does."""
    start_seed, heading_seed, turn_seed, length_seed = seeds(seed, 4)
    batch = tf.shape(frames)[0]
    start = _uniform(start_seed, [batch, lines, 1, 2], 0.0, float(size))
    turns = turn * tf.random.stateless_normal([batch, lines, points - 1], turn_seed)
    headings = _uniform(heading_seed, [batch, lines, 1], 0.0, 6.2832) + tf.cumsum(turns, axis=-1)
    lengths = size * _uniform(length_seed, [batch, lines, points - 1], *length)
    steps = lengths[..., None] * tf.stack([tf.sin(headings), tf.cos(headings)], axis=-1)
    ends = start + tf.cumsum(steps, axis=2)
    starts = tf.concat([start, ends[:, :, :-1]], axis=2)
    return (tf.reshape(v, [batch, lines * (points - 1), 2]) for v in (starts, ends))


def _distance_to_segments(starts, ends, size):
    """Distance [B, size * size] of each pixel to the nearest of the segments [B, M, 2], in pixels.

    With p from a segment's start and d along it, the nearest point is t = clip(p.d / d.d, 0, 1) along, and the squared
    distance p.p + t (t d.d - 2 p.d). Both products split into rows plus columns, so that only sums are large.
    """
    centres = tf.range(size, dtype=tf.float32) + 0.5
    along = ends - starts
    offset = centres - starts[..., None]  # [B, M, 2, size]: rows, then columns
    product = offset * along[..., None]
    product = product[:, :, 0, :, None] + product[:, :, 1, None, :]  # p.d [B, M, size, size]
    square = offset[:, :, 0, :, None] ** 2 + offset[:, :, 1, None, :] ** 2
    length = tf.maximum(tf.reduce_sum(along**2, -1), 1e-6)[..., None, None]
    share = tf.clip_by_value(product / length, 0.0, 1.0)
    nearest = tf.reduce_min(square + share * (share * length - 2 * product), axis=1)
    return tf.sqrt(tf.maximum(tf.reshape(nearest, [-1, size * size]), 0.0))


def strokes(frames, size, seed, area=(0.1, 0.4)):
    """Brush strokes as a hand with a mouse makes them, as wide as `area` asks for."""
    path_seed, area_seed = seeds(seed, 2)
    starts, ends = _polylines(frames, size, path_seed, lines=3, points=6, length=(0.1, 0.3), turn=0.7)
    return _lowest(_distance_to_segments(starts, ends, size), area, frames, size, area_seed)


def scratches(frames, size, seed, radius=(0.5, 1.5)):
    """Long thin scratches, of a `radius` in pixels at 64x64."""
    path_seed, radius_seed = seeds(seed, 2)
    starts, ends = _polylines(frames, size, path_seed, lines=4, points=4, length=(0.2, 0.4), turn=0.15)
    (radii,) = _draws(frames, radius_seed, 1, *radius)
    hole = _distance_to_segments(starts, ends, size) <= radii[:, 0] * size / 64
    return _as_mask(tf.reshape(hole, [-1, size, size]), frames, size)


# What evaluation measures, in the order of its tables. The published rectangles are O3 and O6 halved to 64 pixels.
FAMILIES = {
    "centre": centre,
    "pattern": blobs,
    "pixels": pixels,
    "half": half,
    "eyes": partial(part, names=["eyes"]),
    "eye": partial(part, names=["left_eye", "right_eye"]),
    "nose": partial(part, names=["nose"]),
    "mouth": partial(part, names=["mouth"]),
    "boxes": boxes,
    "strokes_10_20": partial(strokes, area=(0.1, 0.2)),
    "strokes_20_40": partial(strokes, area=(0.2, 0.4)),
    "scratches": scratches,
    "published_eyes": partial(rectangle, rows=(26, 35), columns=(14, 48)),
    "published_mouth": partial(rectangle, rows=(43, 60), columns=(20, 42)),
}

# What training draws from. Wider ranges than the tables'; of the growing hole in the middle only that of `centre`.
TRAINED = {
    "boxes": boxes,
    "centre": centre,
    "half": half,
    "blobs": partial(blobs, area=(0.1, 0.5), cell=(0.1, 0.3)),
    "pixels": partial(pixels, rate=(0.5, 0.9)),
    "eyes": partial(part, names=["eyes"], scale=(0.7, 1.5)),
    "eye_or_nose": partial(part, names=["left_eye", "right_eye", "nose"], scale=(0.7, 1.5)),
    "mouth": partial(part, names=["mouth", "mouth_and_chin"], jitter=8.0, scale=(0.7, 1.5)),
    "strokes": partial(strokes, area=(0.03, 0.5)),
    "scratches": scratches,
    "thin_scratches": partial(scratches, radius=(0.25, 1.5)),
}


def _mix(**shares):
    return [(share, TRAINED[name]) for name, share in shares.items()]


TRAINING_MIX = _mix(boxes=0.11, centre=0.07, half=0.14, blobs=0.11, pixels=0.16, eyes=0.06, eye_or_nose=0.05,
                    mouth=0.21, strokes=0.07, scratches=0.02)  # the mouth is what varies most  # fmt: skip
# More of the single eyes and noses that the mix above seldom draws: a repaired portrait is judged by them.
PARTS_MIX = _mix(boxes=0.15, centre=0.12, half=0.08, blobs=0.11, pixels=0.10, eyes=0.08, eye_or_nose=0.18,
                 mouth=0.10, strokes=0.07, scratches=0.01)  # fmt: skip
# Thin holes are what a finer picture is for.
THIN_MIX = [*((share / 2, family) for share, family in PARTS_MIX), *_mix(strokes=0.25, thin_scratches=0.25)]
MIXES = {"training": TRAINING_MIX, "parts": PARTS_MIX, "thin": THIN_MIX}


def mixed(mix, frames, size, seed):
    """A fresh hole for each picture, families in the proportions of `mix`, one of `MIXES`.

    Systematic sampling (one random offset for the batch, then equal steps through the cumulated shares) keeps each
    batch as close to the shares as its size allows. Pictures come shuffled, so the families may come in order.
    """
    offset_seed, *family_seeds = seeds(seed, 1 + len(mix))
    shares = tf.constant([share for share, _ in mix])
    batch = tf.cast(tf.shape(frames)[0], tf.float32)
    upper = tf.floor(tf.cumsum(shares) / tf.reduce_sum(shares) * batch + _uniform(offset_seed, []))
    upper = tf.concat([upper[:-1], [batch]], axis=0)  # rounding must not lose the last picture
    counts = tf.cast(upper - tf.concat([[0.0], upper[:-1]], axis=0), tf.int32)
    groups = tf.split(frames, counts, num=len(mix))
    mask = [draw(group, size, seed) for (_, draw), group, seed in zip(mix, groups, family_seeds, strict=True)]
    return tf.ensure_shape(tf.concat(mask, axis=0), [None, size, size, 1])


@cache
def _one_by_one(family, size):
    """(indices, frames, seed) → a hole drawn for each index by itself, as a loop in a graph: several times as fast as
    one in Python. Kept for each family and size, for making the graph takes longer than running it."""

    def draw(indices, frames, seed):
        def one(item):
            index, frame = item
            return family(frame[None], size, tf.random.fold_in(seed, index))[0]

        return tf.map_fn(one, (indices, frames), fn_output_signature=tf.TensorSpec([size, size, 1], tf.float32))

    shapes = tf.TensorSpec([None], tf.int64), tf.TensorSpec([None, 3], tf.float32), tf.TensorSpec([2], tf.int64)
    return tf.function(draw, input_signature=shapes).get_concrete_function()


def damage_by_index(family, indices, frames, size, seed):
    """Fixed holes for evaluation: image i's hole depends on (`seed`, i) alone, never on its neighbours in a batch.

    family: one function of `FAMILIES`; indices: int [N]; frames: float [N, 3]; seed: int → mask [N, size, size, 1].
    """
    return _one_by_one(family, size)(tf.cast(indices, tf.int64), frames, tf.constant([seed, 0], tf.int64))
