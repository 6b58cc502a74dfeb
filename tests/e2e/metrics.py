"""The metrics port of a gateway, and Prometheus and its tools where they are installed."""

import http.client
import json
import re
import shutil
import subprocess
import urllib.parse

import network
from processes import Process
from waiting import wait_for

PORT = 9646


class Metrics:
    """GET and its likes at admin.metrics of a gateway."""

    def __init__(self, gateway):
        self.address, _, port = gateway.sections["admin"]["metrics"].rpartition(":")
        self.port = int(port)

    def request(self, method, path, **headers):
        """(status, header fields, body)"""
        connection = http.client.HTTPConnection(self.address, self.port, timeout=20)
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, body

    def scrape(self):
        status, _, body = self.request("GET", "/metrics")
        assert status == 200
        return body

    def value(self, name, **labels):
        """Of one sample; None: there is none. Labels that are not given may have any value: then it is the sum."""
        found = []
        for text, value in re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", self.scrape(), re.M):
            has = dict(re.findall(r'(\w+)="([^"]*)"', text))
            if all(has.get(key) == wanted for key, wanted in labels.items()):
                found.append(float(value))
        return sum(found) if found else None


def metrics_address():
    return f"{network.loopback()}:{PORT}"


def has(program):
    return shutil.which(program) is not None


class Prometheus:
    """Prometheus itself, with the alerts that we publish, fed by real scrapes once a second."""

    def __init__(self, directory, rules, *targets):
        self.address = network.loopback()
        self.port = network.port(self.address)
        config = directory / "prometheus.yml"
        config.write_text(
            json.dumps(
                {
                    "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                    "rule_files": [str(rules)],
                    "scrape_configs": [{"job_name": "dotsgw", "static_configs": [{"targets": list(targets)}]}],
                }
            )
        )
        self.process = Process(
            [
                shutil.which("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={directory / 'tsdb'}",
                f"--web.listen-address={self.address}:{self.port}",
            ],
            directory / "prometheus.out",
            directory / "prometheus.err",
        )
        wait_for(self.ready, lambda: f"Prometheus: {self.process.err[-2000:]}", 30)

    def ready(self):
        try:
            return bool(self.query("up"))
        except OSError:
            return False

    def get(self, path, **query):
        connection = http.client.HTTPConnection(self.address, self.port, timeout=20)
        connection.request("GET", f"{path}?{urllib.parse.urlencode(query)}")
        body = connection.getresponse().read()
        connection.close()
        answer = json.loads(body) if body.startswith(b"{") else {"status": "starting"}
        if answer["status"] == "starting":
            return None
        assert answer["status"] == "success", (query, answer)
        return answer["data"]

    def query(self, expression):
        data = self.get("/api/v1/query", query=expression)
        return data["result"] if data else None

    def alerts(self):
        """{name: state} of those that are not inactive."""
        return {each["labels"]["alertname"]: each["state"] for each in self.get("/api/v1/alerts")["alerts"]}

    def stop(self):
        self.process.kill()


def promtool(*arguments, **options):
    done = subprocess.run(["promtool", *arguments], capture_output=True, **options)
    return done.returncode, (done.stdout + done.stderr).decode()
