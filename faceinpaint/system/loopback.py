"""A page for one person at this machine: served on 127.0.0.1 to whoever knows the token in its address, another
one with every start, and asks from the page itself. Messages go both ways, with one page at a time."""

import asyncio
import logging
import re
import secrets
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from faceinpaint.config import UserError

PATIENCE = 30  # seconds without a page, after which nobody is expected any more
PULSE = 5  # seconds between the signs of life that a page is asked for
MAX_BYTES = 1 << 16  # bytes of a message or request
HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")  # any port: one that is forwarded has another number
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


def listen(port):
    """Sockets at `port` of 127.0.0.1, any that is free for 0. Raises `UserError` when it cannot be had."""
    try:
        if not 0 <= port < 1 << 16:
            raise OSError("a port is at most 65535")
        return bind_sockets(port, "127.0.0.1")
    except OSError as error:
        raise UserError(f"--port {port}: cannot be had ({error}); leave it out, or give another") from error


class Site:
    """What is served, and who is there.

    files: the page's files; each is asked for by its name, and no other path is opened.
    hear: called with each message of the page, str or bytes.
    left: called when the page is closed or out of reach; it may come back.
    over: set when nobody is expected any more.
    """

    def __init__(self, files: list[Path], hear, left):
        self.files, self.hear, self.left = {path.name: path for path in files}, hear, left
        self.token, self.over, self.page, self._patience = secrets.token_urlsafe(16), asyncio.Event(), None, None

    def send(self, message: dict):
        """Tells the page, if there is one."""
        with suppress(WebSocketClosedError):  # it is on its way out
            if self.page:
                self.page.write_message(message)

    def come(self, page):
        if self.page:
            page.write_message({"busy": True})
            page.close()
            return
        self.page = page
        if self._patience:
            self._patience.cancel()

    def go(self, page):
        if page is self.page and not self.over.is_set():
            self.page = None
            self._patience = asyncio.get_running_loop().call_later(PATIENCE, self.over.set)
            self.left()

    @asynccontextmanager
    async def served(self, sockets):
        """Meanwhile the site is there; gives its address, to which a file's name is added."""
        routes = [("/([^/]*)/socket", _Socket, {"site": self}), ("/([^/]*)/?(.*)", _File, {"site": self})]
        application = Application(
            routes,
            log_function=lambda handler: None,
            websocket_ping_interval=PULSE,
            websocket_max_message_size=MAX_BYTES,
        )
        logging.getLogger("tornado.general").setLevel(logging.ERROR)  # anybody's bad request is no news
        server = HTTPServer(application, max_body_size=MAX_BYTES)
        server.add_sockets(sockets)
        try:
            yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}/{self.token}/"
        finally:
            self.over.set()
            server.stop()
            await server.close_all_connections()


class _Guarded(RequestHandler):
    """Answers only who knows the token and asks from the page itself."""

    def initialize(self, site: Site):
        self.site = site

    def prepare(self):
        host, origin = self.request.host, self.request.headers.get("Origin")
        known = secrets.compare_digest(self.path_args[0].encode(), self.site.token.encode())
        if not known or not HOST.fullmatch(host) or origin not in (None, f"http://{host}", f"https://{host}"):
            raise HTTPError(403)


class _File(_Guarded):
    def get(self, _token, name):
        if name not in self.site.files:
            raise HTTPError(404)
        self.set_header("Content-Type", f"{KINDS[self.site.files[name].suffix]}; charset=utf-8")
        self.write(self.site.files[name].read_bytes())


class _Socket(_Guarded, WebSocketHandler):
    def open(self, _token):
        self.site.come(self)

    def on_message(self, message):
        if self.site.page is self:
            self.site.hear(message)

    def on_close(self):
        self.site.go(self)
