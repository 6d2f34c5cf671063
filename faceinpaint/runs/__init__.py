"""What a run leaves behind: its directory, its record, its checkpoints, and the callbacks that write them."""

__all__ = ["callbacks", "checkpoint", "environment", "folder", "keras_file"]
