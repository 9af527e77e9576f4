"""Idempotency: a process is stopped inside its work, beside Powertools."""

import os
import sys
import time

from fleet import HERE, Member, dynamodb, fresh, say, table

# Longer than a claim of three seconds lasts, with funcify's allowance of a second for clocks.
STOPPED = 5.0
# A moment inside the work of the first process.
INSIDE = 1500
BRIEF = 50


def executions(member):
    return sum(line["step"] == "began" for line in member.lines)


def answers(member):
    return [line["answer"] for line in member.lines if line["step"] == "once" and "answer" in line]


def ours(our_member, store, key, milliseconds, fails):
    step = "block-and-fail" if fails else "block"
    return Member([our_member, key, step, str(milliseconds)], {"FUNCIFY_BACKEND": store})


def powertools(_, store, key, milliseconds, fails):
    command = [sys.executable, str(HERE / "idempotency_member.py"), store, key, str(milliseconds)]
    return Member(command + ["fails"] * fails, {"POWERTOOLS_LOG_LEVEL": "CRITICAL"})


def scenario(start, our_member, store, fails):
    """Executions, and the different answers that callers got."""
    key = fresh("peer")
    first = start(our_member, store, key, INSIDE, fails)
    first.take("began")
    first.stop()
    time.sleep(STOPPED)
    second = start(our_member, store, key, BRIEF, False).end()
    first.go_on()
    first.end()
    third = start(our_member, store, key, BRIEF, False).end()
    members = [first, second, third]
    given = [answer for member in members for answer in answers(member)]
    return sum(map(executions, members)), len(set(given)), len(given)


def run(our_member):
    """Prints the table, and returns whether funcify gave one receipt in each scenario."""
    redis = os.environ["FUNCIFY_TEST_REDIS"]
    region = f"?region={os.environ['AWS_REGION']}"
    stores = {
        "Redis": {ours: redis, powertools: redis},
        "DynamoDB": {
            ours: dynamodb("fleet-peers-ours", "pk") + region, powertools: dynamodb("fleet-peers-powertools", "id")},
    }
    rows, kept = [], True
    for fails in False, True:
        for store, urls in stores.items():
            text = f"late {'failure' if fails else 'success'}"
            say(f"idempotency: {text}, {store}")
            found = {start: scenario(start, our_member, urls[start], fails) for start in (powertools, ours)}
            cells = [f"{executions}, {different} in {count} answers" for executions, different, count in found.values()]
            rows.append([text, store, *cells])
            kept = kept and found[ours][:2] == (2, 1)
    table(["scenario", "store", "Powertools: executions, receipts", "funcify: executions, receipts"], rows)
    return kept
