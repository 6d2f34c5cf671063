"""How a command ends: its exit code, and one line about what the user can mend. No TensorFlow."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper

from faceinpaint.config import UserError
from faceinpaint.system import signals


def _reason(error: Exception) -> str:
    """One line for what went wrong outside this program."""
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed: use .venv/bin/python, which `make train` creates"
    if isinstance(error, ImportError) and "shared object" in str(error):
        return f"a system library is missing ({error}); on Debian or Ubuntu: sudo apt-get install libgl1 libglib2.0-0"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, which then end a command as Ctrl-C does: everything in the middle is tidied up."""


def _terminate(number, _):
    raise Terminated(number)


def exit_code(work: Callable[[], None], then="the same command goes on from what is finished") -> int:
    """Calls `work`: 0; 2 for what the user can mend; 130 for Ctrl-C, 143 for SIGTERM, 129 for a terminal that is gone,
    141 for a pipe.

    then: what is said after an interruption.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name that the console has no letters for ends nothing
            stream.reconfigure(errors="backslashreplace")
    try:
        ending = [number for number in signals.ENDING if signal.getsignal(number) != signal.SIG_IGN]  # as nohup has it
        with signals.handled(dict.fromkeys(ending, _terminate)):
            work()
    except BrokenPipeError:  # nobody reads on, as in `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain when it ends
        return 128 + 13
    except MemoryError:
        print("faceinpaint: not enough memory: give it less at a time, or more memory", file=sys.stderr)
        return 2
    except (UserError, OSError, ImportError) as error:
        if isinstance(error, ImportError) and (error.name or "").startswith("faceinpaint"):
            raise  # our own fault
        print(f"faceinpaint: {_reason(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        ended = isinstance(interrupt, Terminated)
        with suppress(OSError):  # the terminal may be gone
            print(f"\nfaceinpaint: {'terminated' if ended else 'interrupted'}; {then}", file=sys.stderr)
        return 128 + (interrupt.args[0] if ended else signal.SIGINT)
    return 0
