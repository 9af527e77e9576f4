"""The commands of a driver, for the members in Python: the same as `fleet_member NAME serve` of funcify.

`circuit NAME FAILURES SECONDS SUCCESSES` makes a breaker. `call AT ok MS` and `call AT fail MS` make a call that takes so
long. `token AT` asks for the token, and `hold AT MS EVERY` asks for it again and again. `AT` is in Unix milliseconds.
"""

import json
import sys
import time


class Broken(Exception):
    """What the dependency raises."""


def say(step, **outcome):
    print(json.dumps({"step": step, **outcome}), flush=True)


def wait_until(at):
    time.sleep(max(0.0, int(at) / 1000 - time.time()))


def call(protected, outcome, milliseconds):
    """`protected(work)` calls the work, or raises without doing so."""
    reached = False

    def work():
        nonlocal reached
        reached = True
        say("reached")
        time.sleep(int(milliseconds) / 1000)
        if outcome == "fail":
            raise Broken

    try:
        protected(work)
    except Exception:
        # Each peer has an error of its own for a refusal, and some for a failure. What counts is what was reached.
        pass
    return reached


def hold(token, milliseconds, every):
    until = time.time() + int(milliseconds) / 1000
    while time.time() < until:
        token()
        time.sleep(int(every) / 1000)


def serve(make_circuit=None, token=None):
    protected = None
    for line in sys.stdin:
        match line.split():
            case ["circuit", name, failures, seconds, successes]:
                protected = make_circuit(name, int(failures), int(seconds), int(successes))
                say("circuit")
            case ["call", at, outcome, milliseconds]:
                wait_until(at)
                say("call", reached=call(protected, outcome, milliseconds))
            case ["token", at]:
                wait_until(at)
                token()
                say("token")
            case ["hold", at, milliseconds, every]:
                wait_until(at)
                hold(token, milliseconds, every)
                say("hold")
            case other:
                sys.exit(f"unknown command {other}")
