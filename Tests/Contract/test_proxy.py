"""docs/operating/tls.md: the center behind Debian's nginx, with the recipe of that page and a site authority."""

import http.client
import re
import shutil
import ssl
import subprocess

import pytest

from harness import ROOT, free_port
from waiting import LIMIT_S, equal, wait_until


class Proxy:
    def __init__(self, system):
        self.folder = system.folder / "nginx"
        self.folder.mkdir()
        self.port = free_port()
        self.authority = self.folder / "ca"
        self.system = system
        system.tapline_center("ca", "init", "--out", self.authority)
        self.issue()
        page = (ROOT / "docs/operating/tls.md").read_text()
        (recipe,) = re.findall(r"```nginx\n(.*?)```", page, re.DOTALL)
        for former, present in (
            ("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl"),
            ("server_name center.example", "server_name localhost"),
            ("/etc/tapline/tls/center.example", str(self.authority / "localhost")),
            ("http://127.0.0.1:8080", f"http://127.0.0.1:{system.http_port}"),
        ):
            assert former in recipe, f"the recipe has no {former}"
            recipe = recipe.replace(former, present)
        places = "".join(
            f"{name}_temp_path {self.folder / name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (self.folder / "nginx.conf").write_text(
            f"daemon off;\npid {self.folder / 'pid'};\nerror_log {self.folder / 'error.log'};\n"
            f"events {{}}\nhttp {{\naccess_log off;\n{places}{recipe}}}\n"
        )
        nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin")
        self.command = [nginx, "-c", self.folder / "nginx.conf", "-p", self.folder]
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def issue(self):
        self.system.tapline_center("ca", "issue", "localhost", "--replace", "--ca", self.authority)

    def connect(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=self.authority / "ca.pem")
        return http.client.HTTPSConnection("localhost", self.port, timeout=LIMIT_S, context=context)

    def get(self, path: str, headers=None) -> tuple:
        connection = self.connect()
        try:
            connection.request("GET", path, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def certificate(self) -> bytes:
        connection = self.connect()
        try:
            connection.connect()
            return connection.sock.getpeercert(binary_form=True)
        finally:
            connection.close()

    def answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "error.log").read_text()
        try:
            return self.get("/healthz")[0] == 200
        except OSError:
            return False


@pytest.fixture(scope="module")
def proxy(system):
    proxy = Proxy(system)
    try:
        wait_until(proxy.answers, "nginx answers")
        yield proxy
    finally:
        proxy.process.terminate()
        proxy.process.wait(LIMIT_S)
        shutil.rmtree(proxy.folder)


def test_proxied_clients_get_health_and_no_details(proxy):
    equal(proxy.get("/readyz"), (200, b"ready\n"))
    equal(proxy.get("/metrics")[0], 403)


def test_proxied_snapshots_need_a_token(proxy, system):
    system.attendee(system.new_tag())
    system.export(system.snapshots)
    for headers in ({}, {"Authorization": "Bearer none"}, {"X-Forwarded-For": "127.0.0.1"}):
        equal(proxy.get("/snapshot/manifest.json", headers), (401, b"401: a token is required\n"))


def test_renewed_certificate_is_loaded_by_a_reload(proxy):
    former = proxy.certificate()
    proxy.issue()
    subprocess.run([*proxy.command, "-s", "reload"], check=True, stderr=subprocess.DEVNULL)
    wait_until(lambda: proxy.certificate() != former, "nginx shows the new certificate")
