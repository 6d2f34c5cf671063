"""What the operating system is asked for: files, signals, the error stream, progress, devices, downloads, the commit.
Nothing about faces."""

__all__ = ["checkout", "devices", "downloads", "files", "progress", "signals", "stderr"]
