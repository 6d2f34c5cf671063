"""What the operating system is asked for: files, signals, the error stream, progress, devices, downloads
and AlexNet's weights among them, what machine this is, a page for its browser.

Nothing about faces.
"""

__all__ = ["alexnet", "devices", "downloads", "files", "loopback", "machine", "progress", "signals", "stderr"]
