"""What the operating system is asked for: files, signals, the error stream, devices, downloads. Nothing about faces."""

__all__ = ["devices", "downloads", "files", "signals", "stderr"]
