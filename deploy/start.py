"""How long a function takes from the start of its process until it asks for its first event.

Stands for the Lambda Runtime API; the function is given as the argument, its stores in the environment.
"""

import os
import socket
import subprocess
import sys
import time

STARTS = 40

TOKEN = {
    "FUNCIFY_TOKEN_URL": "https://idp.example/token",
    "FUNCIFY_CLIENT_ID": "function",
    "FUNCIFY_CLIENT_SECRET": "secret",
}

# As Lambda sets them.
LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "function",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_FUNCTION_VERSION": "1",
    "AWS_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}


def start(program, runtime):
    """Milliseconds until the function connects."""
    port = runtime.getsockname()[1]
    # What this machine says about AWS, a bundle of authorities say, is not what Lambda says.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = {**inherited, **TOKEN, **LAMBDA, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}"}
    began = time.perf_counter()
    function = subprocess.Popen([program], env=environment, stdout=subprocess.DEVNULL)
    connection, _ = runtime.accept()
    took = time.perf_counter() - began
    function.kill()
    function.wait()
    connection.close()
    return took * 1e3


with socket.create_server(("127.0.0.1", 0)) as runtime:
    runtime.settimeout(10)
    took = sorted(start(sys.argv[1], runtime) for _ in range(STARTS))
print(f"{took[0]:.1f} ms, {took[STARTS // 2]:.1f} ms")
