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
