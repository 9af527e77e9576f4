"""The circuit: the same failures for the fleet of each peer and for that of funcify."""

import concurrent.futures
import functools
import os
import sys
import threading
import time

import redis

from fleet import HERE, LEAD_MS, CountingProxy, Member, all_take, dynamodb, fresh, now_ms, say, table

PROCESSES = 20
FAILURES = 5
# As many as a count rule of funcify can hold.
AT_ONCE = 16
# Seconds. Open for the rest of a scenario, or until soon.
LONG, SOON = 60, 5
# For a peer that looks at its store in the background.
SETTLED = 1.5
# Of work that is still under way when the circuit opens, shorter than the call timeout of funcify, 3 s. And of a probe.
SLOW_MS, PROBE_MS = 2500, 1000
KILLED_LIMIT = 60
SUCCESSOR_LIMIT = 20

RECOVERY_SECONDS, RECOVERY_SUCCESSES, RECOVERY_LIMIT = 10, 2, 100
HEALTHY_CALLS, HEALTHY_EVERY_MS = 100, 100


class Fleet:
    """The processes of one side on one store."""

    def __init__(self, peer, store, command, environment=None, counts_alone=False):
        self.peer = peer
        self.store = store
        self.command = command
        self.environment = environment or {}
        # Whether each process counts failures for itself.
        self.counts_alone = counts_alone
        self.members = [self.start() for _ in range(PROCESSES)]
        self.name = None

    def start(self, environment=None):
        return Member(self.command, {**self.environment, **(environment or {})})

    def circuit(self, failures, seconds, successes=1, members=None):
        """A new circuit, which every process has a breaker for."""
        self.name = fresh("peers")
        for member in members or self.members:
            member.tell("circuit", self.name, failures, seconds, successes)
        all_take(members or self.members, "circuit")

    def open(self, member):
        """Fails until a call is refused, and returns the moment of that."""
        for _ in range(4 * FAILURES):
            if not reaches(member, "fail"):
                return time.time()
            time.sleep(0.1)
        # What a peer reports in the background may take its time.
        time.sleep(SETTLED)
        if reaches(member, "fail"):
            raise RuntimeError(f"{self.peer}: {4 * FAILURES} failures of one process did not open the circuit")
        return time.time()

    def kill(self, member):
        member.kill()
        self.members[self.members.index(member)] = self.start()

    def end(self):
        for member in self.members:
            member.kill()


def reaches(member, outcome="ok", milliseconds=0, at=0):
    """Whether a call got to the dependency."""
    member.tell("call", at, outcome, milliseconds)
    return member.take("call")["reached"]


def all_reach(members, outcome, milliseconds=0, every_ms=0, at=None):
    """How many calls got to the dependency: one of each process, so far apart."""
    at = at or now_ms() + LEAD_MS
    for number, member in enumerate(members):
        member.tell("call", at + number * every_ms, outcome, milliseconds)
    return sum(line["reached"] for line in all_take(members, "call"))


def is_admitted(member):
    """What a process does with a call that has not had to do with the circuit before. Its first call may not know."""
    reaches(member)
    time.sleep(SETTLED)
    return reaches(member)


def half_open(fleet):
    """A circuit whose open duration is over, and the process whose slow call is the probe."""
    fleet.circuit(FAILURES, SOON)
    opened = fleet.open(fleet.members[0])
    all_reach(fleet.members, "ok")
    time.sleep(max(0.0, opened + SOON + SETTLED - time.time()))
    until = time.time() + SUCCESSOR_LIMIT
    while time.time() < until:
        for member in fleet.members[1:4]:
            member.tell("call", 0, "ok", PROBE_MS)
            if member.take("reached", "call")["step"] == "reached":
                return member
        time.sleep(0.25)
    raise RuntimeError(f"{fleet.peer}: no process probed")


def failures_before_open(fleet, milliseconds):
    """A call a second of each process, and every call fails after so long."""
    fleet.circuit(FAILURES, LONG)
    all_reach(fleet.members, "ok")
    began, reached, last = now_ms() + LEAD_MS, 0, 0
    for second in range(15):
        last = all_reach(fleet.members, "fail", milliseconds, 1000 // PROCESSES, began + 1000 * second)
        reached += last
    return reached if last == 0 else f"{reached}, and not open after 15 s"


def lost_failures(fleet):
    """So many failures at one instant. Then others, one after the other, until one is refused: as many were lost."""
    if fleet.counts_alone:
        return "counts in each process"
    fleet.circuit(AT_ONCE, LONG)
    all_reach(fleet.members[:AT_ONCE], "fail", 300)
    for lost in range(AT_ONCE):
        if not reaches(fleet.members[-1], "fail"):
            return f"{lost} of {AT_ONCE}"
    return f"{AT_ONCE} of {AT_ONCE}"


def probes(fleet):
    """The open duration is over, and every process makes a call at the same instant."""
    fleet.circuit(FAILURES, SOON)
    opened = fleet.open(fleet.members[0])
    all_reach(fleet.members, "ok")
    at = int((opened + SOON + SETTLED) * 1000)
    return f"{all_reach(fleet.members, 'ok', 500, 0, at)} of {PROCESSES}"


def late_success(fleet):
    """A call begins, the circuit opens, and the call succeeds."""
    fleet.circuit(FAILURES, LONG)
    old, failing, other = fleet.members[:3]
    old.tell("call", 0, "ok", SLOW_MS)
    old.take("reached")
    fleet.open(failing)
    old.take("call")
    return "closes it" if is_admitted(other) else "ignored"


def late_probe(fleet):
    """A probe is stopped. If another may follow, that fails, and the first one then succeeds."""
    prober = half_open(fleet)
    prober.stop()
    try:
        if seconds_until(lambda: reaches(fleet.members[4], "fail"), SUCCESSOR_LIMIT) is None:
            return f"no other probe in {SUCCESSOR_LIMIT} s"
    finally:
        prober.go_on()
    prober.take("call")
    return "closes it" if is_admitted(fleet.members[5]) else "ignored"


def killed_prober(fleet):
    """A probe is killed. When is the next one sent, while there is a call every 0.25 s?"""
    prober = half_open(fleet)
    fleet.kill(prober)
    seconds = seconds_until(lambda: reaches(fleet.members[4]), KILLED_LIMIT)
    return f"not in {KILLED_LIMIT} s" if seconds is None else f"{seconds:.1f} s"


def seconds_until(happened, limit):
    began = time.time()
    while time.time() < began + limit:
        if happened():
            return time.time() - began
        time.sleep(0.25)
    return None


def recovery(fleet, every):
    """The dependency is healthy again when the circuit has opened. Each process makes a call every so many seconds."""
    fleet.circuit(FAILURES, RECOVERY_SECONDS, RECOVERY_SUCCESSES)
    all_reach(fleet.members, "ok")
    opened = int(fleet.open(fleet.members[0]) * 1000)
    refused, last_refusal = 0, opened
    for turn in range(RECOVERY_LIMIT // every):
        began = opened + LEAD_MS + 1000 * turn * every
        moments = [began + 1000 * every * number // PROCESSES for number in range(PROCESSES)]
        for at, member in zip(moments, fleet.members):
            member.tell("call", at, "ok", 0)
        for at, line in zip(moments, all_take(fleet.members, "call")):
            if not line["reached"]:
                refused, last_refusal = refused + 1, at
        # The open duration is over, and a whole turn was admitted.
        if last_refusal < began and began > opened + 1000 * RECOVERY_SECONDS:
            return f"{(last_refusal - opened) / 1000:.0f} s, {refused}"
    return f"not in {RECOVERY_LIMIT} s, {refused}"


def store_operations(fleet):
    """What one process asks of the store for 100 calls in 10 s that all succeed."""
    proxy = CountingProxy(os.environ["AWS_ENDPOINT_URL_DYNAMODB"]) if fleet.store == "DynamoDB" else None
    member = fleet.start({"AWS_ENDPOINT_URL_DYNAMODB": proxy.url} if proxy else {})
    # Each peer has a circuit of its own at this time, so the name tells whose operation it is.
    fleet.circuit(FAILURES, LONG, members=[member])
    counted = proxy.count if proxy else RedisMonitor().count
    for _ in range(HEALTHY_CALLS):
        reaches(member, at=now_ms() + HEALTHY_EVERY_MS)
    found = counted(fleet.name)
    member.kill()
    return found


class RedisMonitor:
    """Every command that clients send to the Redis. What a script runs inside is a part of its command."""

    def __init__(self):
        self.commands = []
        self.client = redis.Redis.from_url(os.environ["FUNCIFY_TEST_REDIS"], socket_timeout=None)
        ready = threading.Event()
        threading.Thread(target=self._listen, args=(ready,), daemon=True).start()
        ready.wait()

    def _listen(self, ready):
        with self.client.monitor() as monitor:
            ready.set()
            for command in monitor.listen():
                if command["client_type"] != "lua":
                    self.commands.append(command["command"])

    def count(self, name):
        time.sleep(0.2)
        return sum(name in command for command in self.commands)


# What is shown, the scenario, what funcify promises, and whether the fleets take it one after the other, since it is
# about one instant.
SCENARIOS = [
    *((f"failures that reach a dead dependency, each after {took / 1000} s",
       functools.partial(failures_before_open, milliseconds=took), None, False)
      for took in (20, 300)),
    (f"failures lost, {AT_ONCE} at once", lost_failures, f"0 of {AT_ONCE}", True),
    (f"probes at once, where 1 is allowed, {PROCESSES} processes", probes, f"1 of {PROCESSES}", True),
    ("late success of a call from before the opening", late_success, "ignored", False),
    ("late success of a probe, after another failed", late_probe, "ignored", False),
    ("a probe is killed: the next after", killed_prober, None, False),
    *((f"healthy again, a call of each process every {every} s: the last refusal after, refused calls",
       functools.partial(recovery, every=every), None, False)
      for every in (4, 20)),
    (f"store operations of {HEALTHY_CALLS} healthy calls in {HEALTHY_CALLS * HEALTHY_EVERY_MS // 1000} s", store_operations, None, False),
]


def fleets(our_member):
    url, region = os.environ["FUNCIFY_TEST_REDIS"], f"?region={os.environ['AWS_REGION']}"
    ours = [our_member, "peers", "serve"]
    member = [sys.executable, str(HERE / "circuit_member.py")]
    yield Fleet("interlock", "Redis", [*member, "interlock", url], counts_alone=True)
    yield Fleet("pybreaker", "Redis", [*member, "pybreaker", url])
    yield Fleet("funcify", "Redis", ours, {"FUNCIFY_BACKEND": url})
    yield Fleet(
        "Powertools", "DynamoDB", [*member, "powertools", dynamodb("circuits-powertools", "id")], counts_alone=True)
    yield Fleet(
        "circuitbreaker-lambda", "DynamoDB",
        ["node", str(HERE / "circuit_member.cjs"), dynamodb("circuits-lambda", "id")])
    yield Fleet("funcify", "DynamoDB", ours, {"FUNCIFY_BACKEND": dynamodb("circuits-funcify", "pk") + region})


def run(our_member):
    """Prints the table, and returns whether funcify did as it promises."""
    sides = list(fleets(our_member))
    rows, kept = [], True
    try:
        # So that none of them is still starting when the first scenario begins.
        for side in sides:
            side.circuit(FAILURES, LONG)
        for text, scenario, promised, alone in SCENARIOS:
            say(f"circuit: {text}")
            with concurrent.futures.ThreadPoolExecutor(1 if alone else len(sides)) as pool:
                found = list(pool.map(scenario, sides))
            rows.append([text, *found])
            kept = kept and all(
                promised in (None, result) for side, result in zip(sides, found) if side.peer == "funcify")
    finally:
        for side in sides:
            side.end()
    table(["scenario", *(f"{side.peer}, {side.store}" for side in sides)], rows)
    return kept
