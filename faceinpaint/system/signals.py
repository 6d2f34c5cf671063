"""Ctrl-C, SIGTERM and SIGHUP, a lost terminal: who handles them, and when they are heeded."""

import os
import signal
import threading
from contextlib import contextmanager, suppress

ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has no SIGHUP
STOPPING = [signal.SIGINT, *ENDING]
NOTICE = b"\nstopping after this step (again: at once)\n"


@contextmanager
def handled(handlers: dict):
    """Signals are handled as `handlers` say, number → handler, and as before afterwards. Outside the main thread, where
    none arrives, nothing is changed."""
    changed = handlers if threading.current_thread() is threading.main_thread() else {}
    before = {number: signal.signal(number, handler) for number, handler in changed.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def between_steps():
    """Yields the function to call where stopping is safe: it raises what Python's handler of a signal would have
    raised at any line, once one came. So does the end of the block. A second signal does not wait.

    For TensorFlow's C++ calls Python, and what is raised there can be lost, or crash the process. Signals that Python
    leaves to the system stay there.
    """
    handlers = {number: handler for number in STOPPING if callable(handler := signal.getsignal(number))}
    came = []

    def note(number, frame):
        if came:
            handlers[number](number, frame)
        came.append(number)
        with suppress(OSError):  # the terminal may be gone
            os.write(2, NOTICE)  # `print` cannot be entered twice, and a progress bar may be in it

    def heed():
        if came:
            handlers[came[0]](came[0], None)

    with handled(dict.fromkeys(handlers, note)):
        yield heed
    heed()
