"""Signs of life of long work: a bar in a terminal, else a line every half minute. No TensorFlow."""

import sys

from tqdm import tqdm

SECONDS = 30  # between the lines where there is no terminal
LINE = "{desc}: {n_fmt} of {total_fmt} {unit}s, {elapsed} so far, {remaining} left"


class _Lines:
    """The error stream for a bar that cannot be drawn over: every state of it is a line of its own."""

    def write(self, text: str):
        if text := text.strip("\r\n "):
            print(text, file=sys.stderr)

    def flush(self):
        sys.stderr.flush()


def shown(items=None, **options) -> tqdm:
    """A `tqdm` of `items`, drawn as its `options` say in a terminal. Elsewhere (a log, a pipe, a test) nothing is drawn
    over: a line every half minute, and none for work that ends before."""
    if sys.stderr.isatty():
        return tqdm(items, **options)
    often = {"mininterval": SECONDS, "maxinterval": SECONDS, "delay": SECONDS}
    return tqdm(items, **options, **often, file=_Lines(), ascii=True, bar_format=LINE)
