"""What the operating system is asked for: files, signals, the error stream, progress, devices, downloads, what
machine this is.

Nothing about faces.
"""

__all__ = ["devices", "downloads", "files", "machine", "progress", "signals", "stderr"]
