"""What the operating system is asked for: files, signals, the error stream, progress, devices, downloads.

Nothing about faces.
"""

__all__ = ["devices", "downloads", "files", "progress", "signals", "stderr"]
