"""How much memory a function has, at rest and after many events.

Stands for the Lambda Runtime API. The argument is the function: the built example `orders`, with its stand-ins. Prints one
JSON object, in KB of resident memory.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time

EVENTS = 20_000
# Over HTTP, from a bucket, and from a queue with a call of the warehouse for each message.
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


def request(reader):
    """The first line of a request, whose body is read and dropped."""
    first = reader.readline()
    length, chunked = 0, False
    while (line := reader.readline().strip().lower()):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
        chunked |= line.startswith(b"transfer-encoding:") and b"chunked" in line
    while chunked and (size := int(reader.readline().split(b";")[0], 16)):
        reader.read(size + 2)
    if chunked:
        reader.readline()
    reader.read(length)
    return first.decode()


def serve(runtime, process, events):
    """Gives the function every event, and yields before each how many it has had."""
    connection, _ = runtime.accept()
    reader = connection.makefile("rb")
    given = 0
    while given <= EVENTS:
        line = request(reader)
        if "/invocation/next " not in line:
            if "/error " in line and "13-sqs" not in line:
                raise RuntimeError(f"the function reported an error: {line}")
            connection.sendall(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
            continue
        yield given
        body = events[given % len(events)]
        deadline = int(time.time() * 1000) + 30_000
        head = (
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
            f"lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-{given:012d}\r\n"
            f"lambda-runtime-deadline-ms: {deadline}\r\n"
            "lambda-runtime-invoked-function-arn: arn:aws:lambda:eu-central-1:123456789012:function:function\r\n"
            f"lambda-runtime-trace-id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        given += 1


def main():
    events = [(FOLDER / f"{name}.json").read_bytes() for name in NAMES]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FUNCIFY_"))}
    with socket.create_server(("127.0.0.1", 0)) as runtime:
        runtime.settimeout(10)
        environment = {**inherited, **LAMBDA, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{runtime.getsockname()[1]}"}
        process = subprocess.Popen([sys.argv[1]], env=environment, stdout=subprocess.DEVNULL)
        seen = {}
        try:
            for given in serve(runtime, process, events):
                if given in (0, 1, 100, EVENTS // 2, EVENTS):
                    seen[given] = resident(process, "VmRSS")
            peak = resident(process, "VmHWM")
        finally:
            process.kill()
            process.wait()
    after = [{"events": given, "kb": kb} for given, kb in seen.items()]
    print(json.dumps({"after": after, "peak_kb": peak}))


main()
