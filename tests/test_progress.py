"""Signs of life where nothing can be drawn over."""

import sys

from faceinpaint.system import progress


def test_without_a_terminal_there_is_a_line_now_and_then(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SECONDS", 0)
    bar = progress.shown(range(3), desc="preparing", unit="face")
    assert list(bar) == [0, 1, 2]
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("preparing: 3 of 3 faces, 00:0")
    assert all(line.startswith("preparing: ") and "\r" not in line for line in lines)


def test_short_work_is_done_without_a_word(capsys):
    assert len(list(progress.shown(range(1000), unit="face"))) == 1000
    assert capsys.readouterr().err == ""


def test_in_a_terminal_a_bar_is_drawn(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert list(progress.shown(range(2), unit="face")) == [0, 1]
    assert "2/2" in capsys.readouterr().err
