"""Ctrl-C and SIGTERM, heeded between two steps of a training."""

import os
import signal
import threading
from contextlib import contextmanager

import keras

NOTICE = b"\nstopping after this step (again: at once)\n"


@contextmanager
def between_steps():
    """Yields the function to call where stopping is safe: it raises what Python's handler of a signal would have
    raised at any line, once one came. So does the end of the block. A second signal does not wait.

    For TensorFlow's C++ calls Python, and what is raised there can be lost, or crash the process. Signals that Python
    leaves to the system stay there, and so does everything outside the main thread, to which no signal comes.
    """
    handlers, came = {}, []

    def note(number, frame):
        if came:
            handlers[number](number, frame)
        came.append(number)
        os.write(2, NOTICE)  # `print` cannot be entered twice, and a progress bar may be in it

    def heed():
        if came:
            handlers[came[0]](came[0], None)

    if threading.current_thread() is threading.main_thread():
        found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        handlers |= {number: handler for number, handler in found.items() if callable(handler)}
    try:
        for number in handlers:
            signal.signal(number, note)
        yield heed
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    heed()


class Heed(keras.callbacks.Callback):
    """Calls `heed` after every step, of training and of validation."""

    def __init__(self, heed):
        super().__init__()
        self.heed = heed

    def on_train_batch_end(self, batch, logs=None):
        self.heed()

    def on_test_batch_end(self, batch, logs=None):
        self.heed()
