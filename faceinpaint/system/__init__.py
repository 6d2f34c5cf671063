"""What the operating system is asked for: files, signals, the error stream, progress, devices, downloads, what
machine this is, a page for its browser.

Nothing about faces.
"""

__all__ = ["devices", "downloads", "files", "loopback", "machine", "progress", "signals", "stderr"]
