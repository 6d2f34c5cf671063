"""Diagrams of networks, for notebooks: every layer a box, every skip an arc."""

import matplotlib.pyplot as plt


def boxes_and_skips(model):
    """What a diagram shows of a functional Keras `model`.

    Boxes: its input and its layers with weights in the order of computation, as (name, kind, side, channels).
    Skips: connections that pass boxes by, as pairs of places in that list; both ends have pictures of one side.
    """
    boxes, skips, origins = [], [], {}  # origins: of each tensor, the places of the boxes that it is made of
    for operation in model.operations:
        is_input = type(operation).__name__ == "InputLayer"
        inputs = [] if is_input else _flat(operation.input)
        made_of = sorted({place for tensor in inputs for place in origins[id(tensor)]})
        if is_input or getattr(operation, "weights", None):
            _, *sides, channels = operation.output.shape
            seen = [tensor.shape[1] for tensor in inputs]
            skips += [(place, len(boxes)) for place in made_of[:-1] if boxes[place][2] in seen]
            made_of = [len(boxes)]
            boxes.append((operation.name, type(operation).__name__, sides[0] if sides else 1, channels))
        origins |= {id(tensor): made_of for tensor in _flat(operation.output)}
    return boxes, skips


def _flat(tensors):
    return list(tensors) if isinstance(tensors, list | tuple) else [tensors]


def network_diagram(model):
    """The layers of `model` from left to right: a box as high as its picture and as wide as it has channels (both as
    square roots), channels above, side in pixels below, and arcs for skip connections."""
    boxes, skips = boxes_and_skips(model)
    figure, axes = plt.subplots(layout="constrained")
    colours = {kind: f"C{index}" for index, kind in enumerate(dict.fromkeys(kind for _, kind, _, _ in boxes))}
    left, middles = 0.0, []
    for _, kind, side, channels in boxes:
        width, height = channels**0.5 / 4, side**0.5
        label = None if kind in axes.get_legend_handles_labels()[1] else kind
        axes.add_patch(plt.Rectangle((left, -height / 2), width, height, color=colours[kind], alpha=0.7, label=label))
        axes.text(left + width / 2, height / 2 + 0.15, channels, ha="center", fontsize=8)
        axes.text(left + width / 2, -height / 2 - 0.15, side, ha="center", va="top", fontsize=8, color="grey")
        middles.append((left + width / 2, height / 2 + 0.8))
        left += width + 1.2
    for start, end in skips:
        arc = {"arrowstyle": "->", "connectionstyle": "arc3,rad=-0.14", "color": "grey"}
        axes.annotate("", middles[end], middles[start], arrowprops=arc)
    figure.set_size_inches(max(left / 7, 5), 3.6 if skips else 2.8)
    axes.set(xlim=(-1, left), ylim=(-6, 9 if skips else 5.5))
    axes.set_title(f"{model.name}: {model.count_params():,} parameters", fontsize=10)
    axes.legend(loc="lower center", ncols=len(colours), fontsize=8, frameon=False)
    axes.axis("off")
    return figure
