"""What a run leaves behind: its directory and record, checkpoints, grids, and the callbacks that write them."""

from faceinpaint.runs.folder import EXPORTED, OCTAVE, WEIGHTS, Record

__all__ = ["EXPORTED", "OCTAVE", "WEIGHTS", "Record", "callbacks", "checkpoint", "environment", "folder", "grids"]
