"""Ctrl-C and SIGTERM wait for the end of a step, and are never lost."""

import os
import signal
import threading

import pytest

from faceinpaint.system.signals import between_steps


def press():
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(autouse=True)
def default_handler():
    """Python's own, whatever this process was started with."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def block(work, done: list, heeding=True):
    """Three steps, each of which does `work`."""
    with between_steps() as heed:
        for step in range(3):
            work(step)
            done.append(step)
            if heeding:
                heed()
    done.append("what follows")


def test_the_step_is_finished(capfd):
    done = []
    with pytest.raises(KeyboardInterrupt):
        block(lambda step: press() if step == 1 else None, done)
    assert done == [0, 1]
    assert capfd.readouterr().err == "\nstopping after this step (again: at once)\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_is_not_heeded_comes_at_the_end():
    done = []
    with pytest.raises(KeyboardInterrupt):
        block(lambda step: press() if step == 1 else None, done, heeding=False)
    assert done == [0, 1, 2]


def test_a_second_time_does_not_wait():
    done = []
    with pytest.raises(KeyboardInterrupt):
        block(lambda _: press(), done, heeding=False)
    assert done == [0]


def test_an_error_is_not_hidden_by_what_waits():
    def work(_):
        press()
        raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        block(work, [])


def test_what_the_system_handles_is_left_to_it():
    with between_steps():
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_other_threads_train_as_they_are():
    seen = []

    def work():
        with between_steps() as heed:
            heed()
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
