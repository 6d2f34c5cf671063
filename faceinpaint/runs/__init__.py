"""What a run leaves behind: its directory and record, checkpoints, grids, and the callbacks that write them."""

from faceinpaint.runs.folder import EXPORTED, WEIGHTS, Record

__all__ = ["EXPORTED", "WEIGHTS", "Record", "callbacks", "checkpoint", "environment", "folder", "grids"]
