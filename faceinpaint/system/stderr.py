"""Keeps native libraries quiet: they write to file descriptor 2, past `sys.stderr`."""

import os
import sys
import tempfile
from contextlib import contextmanager


@contextmanager
def captured_stderr():
    """A list that holds, when the block has ended, the lines that native code wrote meanwhile. What Python raises
    passes."""
    lines: list[str] = []
    if sys.stderr:
        sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            written.seek(0)
            lines += written.read().decode(errors="replace").splitlines()


@contextmanager
def quiet_start():
    """Keeps TensorFlow's start-up lines off the screen: they come from C++, before its own log level applies.

    Python's errors pass. With TF_CPP_MIN_LOG_LEVEL set all lines are shown.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ or "tensorflow" in sys.modules:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # what matters arrives as a Python exception
    with captured_stderr():
        yield
        if "tensorflow" in sys.modules:
            sys.modules["tensorflow"].config.list_physical_devices()  # the rest of the lines, about drivers
