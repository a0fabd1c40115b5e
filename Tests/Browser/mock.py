"""A center that is made up: the real files of the wall, and states that the test sends."""

import http.server
import json
import pathlib
import queue
import re
import threading
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "Sources/Center/WallPages"
# As the center sends it (docs/reference/http.md).
POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
TYPES = {"html": "text/html", "css": "text/css", "script": "text/javascript"}


def pages() -> dict:
    """Returns content type and file of each path, as WallPages.swift lists them."""
    row = r'^        "(/[^"]*)": \(([^,]+), PackageResources\.(\w+)\),$'
    rows = re.findall(row, (FOLDER / "WallPages.swift").read_text(), re.M)
    files = {re.sub(r"\W", "_", path.name): path for path in FOLDER.iterdir()}
    return {path: (TYPES.get(kind, kind.strip('"')), files[name]) for path, kind, name in rows}


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    # The default of 5 refuses tabs that open together.
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A page that was closed cuts its connections."""


class Mock:
    """Serves the wall on a free port of this machine. The properties are the states that a test sets."""

    def __init__(self):
        self.pages, self.streams, self.opened, self.questions = pages(), [], 0, []
        self.newest = self.people = None
        self.role, self.needs_login, self.is_silent, self.status = None, False, False, 200
        self.lock = threading.Lock()
        handler = type("Handler", (Handler,), {"mock": self})
        self.server = Server(("127.0.0.1", 0), handler)
        self.url = f"http://localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def send(self, state: dict):
        """Sends a state to all streams, and to those that come later."""
        with self.lock:
            self.newest = state
            for stream in self.streams:
                stream.put(state)

    def cut(self):
        """Ends all streams, as a center does that stops."""
        with self.lock:
            for stream in self.streams:
                stream.put(None)

    def close(self):
        self.cut()
        self.server.shutdown()
        self.server.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    mock: Mock

    def log_message(self, *_):
        pass

    def do_GET(self):
        parts = urllib.parse.urlsplit(self.path)
        if parts.path == "/api/live":
            return self.live(parts.query)
        if parts.path == "/api/fleet":
            cells = self.mock.newest["fleet"]["cells"]
            scanners = [{"id": f"lane-{i:04}", "gate": f"North {i % 40}"} for i in range(1, len(cells) + 1)]
            return self.reply({"list": self.mock.newest["fleet"]["list"], "scanners": scanners})
        if parts.path.startswith("/api/people"):
            return self.person(parts)
        found = self.mock.pages.get("/zone/" if parts.path.startswith("/zone/") else parts.path)
        if not found:
            return self.answer(404, "text/plain", b"404: not found\n")
        self.answer(200, found[0], found[1].read_bytes())

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.mock.questions.append((self.path, form))
        if self.path == "/logout":
            return self.redirect("/", "tapline_viewer=; Max-Age=0")
        if form.get("token") != ["right"]:
            return self.redirect("/login?failed=1")
        self.redirect(form["next"][0], "tapline_viewer=right; HttpOnly; SameSite=Strict; Path=/")

    def redirect(self, path, cookie=None):
        more = [("Set-Cookie", cookie)] if cookie else []
        self.answer(303, "text/plain", b"", [("Location", path), *more])

    def answer(self, status, kind, body, more=()):
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", len(body)), *more):
            self.send_header(name, str(value))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Cache-Control", "no-cache")
        self.end_headers()
        self.wfile.write(body)

    def reply(self, value, status=200):
        self.answer(status, "application/json", json.dumps(value).encode())

    def role(self):
        return "viewer-names" if "tapline_viewer=right" in self.headers.get("Cookie", "") else self.mock.role

    def person(self, parts):
        self.mock.questions.append((self.path, None))
        role = self.role()
        if role != "viewer-names":
            return self.reply({}, 403 if role else 401)
        key = urllib.parse.parse_qs(parts.query).get("q", [None])[0] if parts.query else parts.path
        found = self.mock.people(key)
        self.reply(found if found is not None else {}, 200 if found is not None else 404)

    def live(self, query):
        if self.mock.needs_login and not self.role():
            return self.answer(401, "text/plain", b"401\n")
        if self.mock.status != 200:
            return self.answer(self.mock.status, "text/plain", b"503\n")
        if query == "once":
            return self.reply(self.mock.newest)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        states = queue.SimpleQueue()
        with self.mock.lock:
            self.mock.opened += 1
            self.mock.streams.append(states)
            if self.mock.newest:
                states.put(self.mock.newest)
        try:
            while (state := states.get()) is not None:
                self.wfile.write(f"id: {state['seq']}\nevent: state\ndata: {json.dumps(state)}\n\n".encode())
                self.wfile.flush()
        except OSError:
            pass
        finally:
            with self.mock.lock:
                self.mock.streams.remove(states)
            self.close_connection = True
