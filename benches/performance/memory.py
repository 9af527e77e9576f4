"""How much memory a function has, at rest and after many events.

Stands for the Lambda Runtime API. The argument is the function: the built example `orders`, with its stand-ins. Prints one
JSON object, in KB of resident memory.
"""

import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

EVENTS = 10_000
# How many events the function has had when its memory is noted.
LOOKS = (0, 1, 100, 1_000, EVENTS)
# Over HTTP, from a bucket, and from a queue.
NAMES = ["04-http-get-health-public", "05-s3-put-encoded-key", "13-sqs-one-of-three-fails"]
FOLDER = pathlib.Path(__file__).resolve().parents[2] / "examples" / "events"

LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "function",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_FUNCTION_VERSION": "1",
    "AWS_REGION": "eu-central-1",
    "ORDERS_STAND_INS": "1",
    "FUNCIFY_BACKEND": "memory:",
}


def resident(process, name):
    """VmRSS, what it has now, or VmHWM, the most that it has had."""
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise RuntimeError(f"no {name}")


class Runtime(http.server.BaseHTTPRequestHandler):
    """One connection of the function. It may have several."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        if not self.path.endswith("/invocation/next"):
            return self.answer(404, {}, b"")
        given, body = self.server.next_event()
        headers = {
            "content-type": "application/json",
            "lambda-runtime-aws-request-id": f"8476a536-e9f4-11e8-9739-{given:012d}",
            "lambda-runtime-deadline-ms": str(int(time.time() * 1000) + 30_000),
            "lambda-runtime-invoked-function-arn": "arn:aws:lambda:eu-central-1:123456789012:function:function",
            "lambda-runtime-trace-id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
        }
        self.answer(200, headers, body)

    def do_POST(self):
        if "chunked" in self.headers.get("transfer-encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path.endswith("/error"):
            self.server.errors.append(self.path)
        self.answer(202, {}, b"")

    def answer(self, status, headers, body):
        self.send_response_only(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    """Gives the events in turn, and notes the function's memory before some of them."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Runtime)
        self.events = [(FOLDER / f"{name}.json").read_bytes() for name in NAMES]
        self.lock, self.over = threading.Lock(), threading.Event()
        self.given, self.seen, self.errors, self.process = 0, {}, [], None

    def next_event(self):
        with self.lock:
            given = self.given
            if given in LOOKS:
                self.seen[given] = resident(self.process, "VmRSS")
            self.given += 1
        if given == EVENTS:
            self.over.set()
            time.sleep(3_600)
        return given, self.events[given % len(self.events)]


def main():
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FUNCIFY_"))}
    environment = {**inherited, **LAMBDA, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}"}
    with server.lock:
        server.process = subprocess.Popen([sys.argv[1]], env=environment, stdout=subprocess.DEVNULL)
    try:
        if not server.over.wait(300):
            sys.exit(f"the function has had {server.given} events after five minutes")
        peak = resident(server.process, "VmHWM")
    finally:
        server.process.kill()
        server.process.wait()
    if server.errors:
        sys.exit(f"the function reported errors: {server.errors[:3]}")
    after = [{"events": given, "kb": kb} for given, kb in sorted(server.seen.items())]
    print(json.dumps({"after": after, "peak_kb": peak}))


main()
