"""Painting the damage of a photograph in the browser: what is drawn (`painting`), how it looks (`preview`), what a page
asks for (`session`), the page of the command (`server`, `files`) and a notebook's `widget`; both show canvas.js."""

from faceinpaint.paint.painting import Painting

__all__ = ["Painting", "files", "painting", "preview", "server", "session", "widget"]
