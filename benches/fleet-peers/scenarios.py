"""The same scenarios for funcify and for Powertools, as a table: `scenarios.py FLEET_MEMBER` with the stores in the environment.

`FUNCIFY_TEST_REDIS` and `FUNCIFY_TEST_DYNAMODB` name them, as for the tests.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import uuid

import boto3

HERE = pathlib.Path(__file__).resolve().parent
# Longer than a claim of three seconds lasts, with funcify's allowance of a second for clocks.
STOPPED = 5.0
# For a process to start and to answer, on a busy machine.
PATIENCE = 60.0
# A moment inside the work of the first process.
INSIDE = 1500
BRIEF = 50


class Member:
    """A process of a fleet."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.lines = []

    def next(self):
        line = self.process.stdout.readline()
        if line:
            self.lines.append(json.loads(line))
        return bool(line)

    def began(self):
        while not any(line["step"] == "began" for line in self.lines):
            if not self.next():
                sys.exit(f"a process ended before it began: {self.process.args}")

    def end(self):
        while self.next():
            pass
        self.process.wait(PATIENCE)
        return self

    def executions(self):
        return sum(line["step"] == "began" for line in self.lines)

    def answers(self):
        return [line["answer"] for line in self.lines if line["step"] == "once" and "answer" in line]


def ours(store, key, milliseconds, fails):
    step = "block-and-fail" if fails else "block"
    return Member([sys.argv[1], key, step, str(milliseconds)], {"FUNCIFY_BACKEND": store})


def powertools(store, key, milliseconds, fails):
    command = [sys.executable, str(HERE / "powertools_member.py"), store, key, str(milliseconds)]
    return Member(command + ["fails"] * fails, {"POWERTOOLS_METRICS_DISABLED": "true", "POWERTOOLS_LOG_LEVEL": "CRITICAL"})


def scenario(start, store, fails):
    """Executions, and the different answers that callers got."""
    key = f"peer-{uuid.uuid4().hex[:12]}"
    first = start(store, key, INSIDE, fails)
    first.began()
    first.process.send_signal(signal.SIGSTOP)
    time.sleep(STOPPED)
    second = start(store, key, BRIEF, False).end()
    first.process.send_signal(signal.SIGCONT)
    first.end()
    third = start(store, key, BRIEF, False).end()
    members = [first, second, third]
    answers = [answer for member in members for answer in member.answers()]
    return sum(member.executions() for member in members), len(set(answers)), len(answers)


def table(name, key):
    boto3.client("dynamodb").create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST")
    return f"dynamodb://{name}"


def main():
    redis = os.environ["FUNCIFY_TEST_REDIS"]
    region = f"?region={os.environ['AWS_REGION']}"
    stores = {
        "Redis": {ours: redis, powertools: redis},
        "DynamoDB": {ours: table("fleet-peers-ours", "pk") + region, powertools: table("fleet-peers-powertools", "id")},
    }
    print("| scenario | store | Powertools: executions, receipts | funcify: executions, receipts |")
    print("|---|---|---|---|")
    is_as_promised = True
    for fails in False, True:
        for store, urls in stores.items():
            found = {start: scenario(start, urls[start], fails) for start in (powertools, ours)}
            cells = [f"{executions}, {different} in {answers} answers" for executions, different, answers in found.values()]
            print(f"| late {'failure' if fails else 'success'} | {store} | {' | '.join(cells)} |", flush=True)
            is_as_promised = is_as_promised and found[ours][:2] == (2, 1)
    if not is_as_promised:
        sys.exit("funcify: expected two executions and one receipt in each scenario")


main()
