"""What the scenarios share: the processes of a fleet, servers that count, and a table."""

import http.client
import http.server
import json
import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid

import boto3

HERE = pathlib.Path(__file__).resolve().parent
# For a process to start and to answer, on a busy machine.
PATIENCE = 120.0
# Between the command and the moment that all processes wait for.
LEAD_MS = 300


def now_ms():
    return int(time.time() * 1000)


def fresh(prefix):
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


class Member:
    """A process of a fleet. It takes commands, a line each, and answers with lines of JSON."""

    def __init__(self, command, environment):
        self.command = command
        self.environment = environment
        self.lines = []
        self.unread = queue.Queue()
        self.process = subprocess.Popen(
            command, env={**os.environ, **environment}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for text in self.process.stdout:
            line = json.loads(text)
            self.lines.append(line)
            self.unread.put(line)
        self.unread.put(None)

    def tell(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def take(self, *steps, patience=PATIENCE):
        """The next line of one of these steps."""
        while True:
            line = self.unread.get(timeout=patience)
            if line is None:
                raise RuntimeError(f"a process ended before {' or '.join(steps)}: {self.command}")
            if line["step"] in steps:
                return line

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def end(self):
        """Waits until it has done all of its commands."""
        self.process.stdin.close()
        while self.unread.get(timeout=PATIENCE) is not None:
            pass
        self.process.wait(PATIENCE)
        return self


def all_take(members, step):
    return [member.take(step) for member in members]


def dynamodb(name, key):
    """A new table, as a URL."""
    boto3.client("dynamodb").create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST")
    return f"dynamodb://{name}"


class Server(http.server.ThreadingHTTPServer):
    """On a free port of loopback, until the program ends."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Otherwise a body waits for the acknowledgement of its headers.
    disable_nagle_algorithm = True

    def body(self):
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def answer(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class CountingProxy(Server):
    """Passes requests to a DynamoDB server on, and counts those whose body names what is counted."""

    def __init__(self, url):
        upstream = urllib.parse.urlparse(url).netloc
        self.bodies = []

        class Pass(Handler):
            def do_POST(self):
                body = self.body()
                self.server.bodies.append(body.decode())
                connection = http.client.HTTPConnection(upstream)
                headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
                connection.request("POST", self.path, body, headers)
                answer = connection.getresponse()
                kept = [(name, value) for name, value in answer.getheaders()
                        if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server")]
                self.answer(answer.status, answer.read(), kept)
                connection.close()

        super().__init__(Pass)

    def count(self, name):
        return sum(name in body for body in self.bodies)


def table(heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    print("\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n", flush=True)


def say(text):
    print(text, file=sys.stderr, flush=True)
