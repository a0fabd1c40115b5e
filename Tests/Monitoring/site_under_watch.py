"""A festival with every state that rules and dashboard ask for, and a Prometheus that collects from it."""

import http.server
import json
import pathlib
import signal
import ssl
import subprocess
import threading
import urllib.parse
import urllib.request

from batch import Batch, Scan, new_log, now_ms_us
from festival import Festival, FestivalLane
from harness import RELAY, ROOT, free_port
from waiting import LIMIT_S, wait_until

DASHBOARDS = ROOT / "dashboards"


class TextfileCollector:
    """Serves the files of a folder, as node-exporter serves those of its textfile collector."""

    def __init__(self, folder: pathlib.Path):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = b"".join(path.read_bytes() for path in sorted(folder.glob("*.prom")))
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class SiteUnderWatch(Festival):
    """Gate "Main 1" has a device that uploads. The device at gate "Main 2" cannot reach a broker. A third scanner says
    that it holds scans. The second center serves TLS.
    """

    def __init__(self, environment):
        super().__init__(environment)
        self.processes, self.gates, self.collector = [], [], None

    def _create_database(self):
        super()._create_database()
        self.center_options += ("--center", "1/2")

    def _set_up(self):
        super()._set_up()
        self.textfiles = self.folder / "textfiles"
        self.textfiles.mkdir()
        self.collector = TextfileCollector(self.textfiles)
        self.tapline_center("gate", "add", "Main 2", "--zone", "Festival")
        self._start_second_center()
        for name, gate, reaches_broker in (("first", "Main 1", True), ("second", "Main 2", False)):
            self._start_device(name, gate, reaches_broker)
        self._publish_backlog()
        self._start_prometheus()

    def _start_second_center(self):
        self.certificate, key = self.folder / "center.pem", self.folder / "center.key"
        request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=localhost"
        subprocess.run(
            [*request.split(), "-addext", "subjectAltName=DNS:localhost", "-out", self.certificate, "-keyout", key],
            check=True,
            capture_output=True,
        )
        key.chmod(0o600)
        self.tls_port = free_port()
        self._start(
            "tapline-center",
            "run",
            *("--amqp-url", self.url_of("center"), "--database-url", self.database_url, "--center", "2/2"),
            *("--http", f"127.0.0.1:{self.tls_port}", "--relay-user", self.user(RELAY)),
            *("--http-certificate-file", self.certificate, "--http-key-file", key),
            log="second-center.log",
        )

    def _start_device(self, name: str, gate: str, reaches_broker: bool):
        lane = FestivalLane(self, name, gate)
        wait_until(lambda: (self.snapshots / "manifest.json").exists(), "the center has published a snapshot")
        lane.install(center_url=f"http://127.0.0.1:{self.http_port}")
        running = lane.gate()
        self.gates.append(running)
        for person in range(3):
            running.tap(self.uid(person))
        settings = lane.flags(
            amqp_url=lane.url if reaches_broker else "amqp://none:none@127.0.0.1:1/",
            center_url=f"http://127.0.0.1:{self.http_port}",
            trust_key=self.folder / "event.pub",
            metrics_file=self.textfiles / f"{name}.prom",
        )
        self._start("tapline-publisher", "run", *settings, log=f"{name}.publisher.log")

    def _publish_backlog(self):
        scanner = self.user("third")
        self.tapline_center("gate", "add", "Main 3", "--zone", "Festival")
        self.tapline_center("scanner", "add", scanner, "--gate", "Main 3")
        scans = [Scan(now_ms_us() - 60_000_000 + n * 1_000, self.tag(n)) for n in range(3)]
        batch = Batch(scanner=scanner, log=new_log(), first=1, scans=scans, backlog=7)
        self.client(RELAY).publish(f"scan.{scanner}", batch.encode())

    def _start_prometheus(self):
        configuration = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(DASHBOARDS / "alerts.yml")],
            "scrape_configs": [
                {"job_name": "tapline-center", "static_configs": [{"targets": [f"127.0.0.1:{self.http_port}"]}]},
                {
                    "job_name": "tls",
                    "scheme": "https",
                    "tls_config": {"ca_file": str(self.certificate), "server_name": "localhost"},
                    "relabel_configs": [{"target_label": "job", "replacement": "tapline-center"}],
                    "static_configs": [{"targets": [f"127.0.0.1:{self.tls_port}"]}],
                },
                {"job_name": "node", "static_configs": [{"targets": [f"127.0.0.1:{self.collector.port}"]}]},
            ],
        }
        # JSON is YAML.
        path = self.folder / "prometheus.yml"
        path.write_text(json.dumps(configuration))
        self.prometheus_port = free_port()
        self._start(
            "/usr/bin/prometheus",
            f"--config.file={path}",
            f"--storage.tsdb.path={self.folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{self.prometheus_port}",
            log="prometheus.log",
        )
        wait_until(self._prometheus_is_ready, "Prometheus is ready")

    def _start(self, program, *arguments, log: str):
        self.processes.append(
            subprocess.Popen(
                [self.bin / program, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=(self.folder / log).open("wb"),
            )
        )

    def __exit__(self, *_):
        for gate in self.gates:
            gate.process.kill()
            gate.process.wait(LIMIT_S)
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.wait(LIMIT_S)
        if self.collector:
            self.collector.close()
        super().__exit__()

    # Prometheus

    def prometheus(self, path: str, **query):
        """Returns the data of an answer of Prometheus."""
        url = f"http://127.0.0.1:{self.prometheus_port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=LIMIT_S) as response:
            return json.load(response)["data"]

    def _prometheus_is_ready(self) -> bool:
        assert self.processes[-1].poll() is None, self.prometheus_log()
        try:
            return bool(self.prometheus("status/runtimeinfo"))
        except OSError:
            return False

    def series(self, expression: str) -> int:
        """Returns how many series a query has now."""
        return len(self.prometheus("query", query=expression)["result"])

    def tls_metrics(self) -> str:
        """Returns the metrics of the center that serves TLS."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        with urllib.request.urlopen(f"https://localhost:{self.tls_port}/metrics", context=context) as response:
            return response.read().decode()

    def logs(self) -> list:
        return [("log of the centers", self.center_log()), ("log of Prometheus", self.prometheus_log())]

    def prometheus_log(self) -> str:
        return "\n".join((self.folder / "prometheus.log").read_text(errors="replace").splitlines()[-20:])
