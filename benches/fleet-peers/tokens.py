"""The token: how often a fleet asks the identity provider, with usual caches and with funcify."""

import base64
import concurrent.futures
import functools
import json
import os
import sys
import threading
import time
import uuid

from fleet import HERE, LEAD_MS, Handler, Member, Server, all_take, fresh, now_ms, say, table

PROCESSES = 20
PROVIDER_SECONDS = 0.27
COLD_LIFETIME, STEADY_LIFETIME = 3600, 20
STEADY_MS, STEADY_EVERY_MS = 60_000, 1000
SPREAD_MS = 2000


class Provider(Server):
    """Grants tokens, as slowly as a provider does, and counts them by the path of the request."""

    def __init__(self):
        self.grants = {}
        self.counting = threading.Lock()

        class Grant(Handler):
            def do_POST(self):
                self.body()
                with self.server.counting:
                    self.server.grants[self.path] = self.server.grants.get(self.path, 0) + 1
                time.sleep(PROVIDER_SECONDS)
                lifetime = int(self.path.split("/")[1])
                token = {"access_token": uuid.uuid4().hex, "token_type": "Bearer", "expires_in": lifetime}
                self.answer(200, json.dumps(token).encode(), [("content-type", "application/json")])

        super().__init__(Grant)


def ours(our_member, store, url, key):
    environment = {
        "FUNCIFY_BACKEND": store, "FUNCIFY_TOKEN_URL": url, "FUNCIFY_CLIENT_ID": "peers",
        "FUNCIFY_CLIENT_SECRET": base64.b64encode(os.urandom(12)).decode()}
    return [Member([our_member, key, "serve"], environment) for _ in range(PROCESSES)]


def usual(kind):
    def start(_, store, url, key):
        command = [sys.executable, str(HERE / "token_member.py"), kind, store, url, key]
        return [Member(command, {}) for _ in range(PROCESSES)]

    return start


SIDES = {"a cache in each process": usual("process"), "a cache in Redis": usual("shared"), "funcify on Redis": ours}


def started(begin, our_member, provider, lifetime):
    key = fresh("peers")
    path = f"/{lifetime}/{key}"
    members = begin(our_member, os.environ["FUNCIFY_TEST_REDIS"], provider.url + path, key)
    # A command that asks for nothing: whoever answers is ready.
    for member in members:
        member.tell("hold", 0, 0, 0)
    all_take(members, "hold")
    return members, path


def cold(begin, our_member, provider, apart_ms):
    members, path = started(begin, our_member, provider, COLD_LIFETIME)
    at = now_ms() + LEAD_MS
    for number, member in enumerate(members):
        member.tell("token", at + number * apart_ms)
    all_take(members, "token")
    return ended(members, provider, path)


def steady(begin, our_member, provider):
    members, path = started(begin, our_member, provider, STEADY_LIFETIME)
    at = now_ms() + LEAD_MS
    for number, member in enumerate(members):
        member.tell("hold", at + number * STEADY_EVERY_MS // PROCESSES, STEADY_MS, STEADY_EVERY_MS)
    for member in members:
        member.take("hold", patience=2 * STEADY_MS / 1000)
    return ended(members, provider, path)


def ended(members, provider, path):
    for member in members:
        member.kill()
    return provider.grants[path]


# What is shown, the scenario, and how many sides take it at a time: one where it is about one instant.
SCENARIOS = [
    (f"{PROCESSES} cold processes at the same instant", functools.partial(cold, apart_ms=0), 1),
    (f"{PROCESSES} cold processes within {SPREAD_MS // 1000} s", functools.partial(cold, apart_ms=SPREAD_MS // PROCESSES), 1),
    (f"{PROCESSES} processes for {STEADY_MS // 1000} s, tokens of {STEADY_LIFETIME} s", steady, len(SIDES)),
]


def run(our_member):
    """Prints the table, and returns whether a cold fleet of funcify asked once."""
    provider, rows = Provider(), []
    for text, scenario, together in SCENARIOS:
        say(f"token: {text}")
        with concurrent.futures.ThreadPoolExecutor(together) as pool:
            rows.append([text, *pool.map(lambda begin: scenario(begin, our_member, provider), SIDES.values())])
    table(["requests to the provider", *SIDES], rows)
    return all(row[-1] == 1 for row in rows[:2])
