"""One process of a fleet that caches its token in the usual way: `token_member.py process|shared STORE URL KEY`.

`process` keeps the token in the process, as the caches of HTTP clients do. `shared` also keeps it in Redis: a process
looks there before it asks the provider, and stores what it was granted. No process knows of another's request.
"""

import json
import sys
import time
import urllib.request

import redis

import member

# The share of a token's life for which it is used. The rest is for clocks and for requests under way.
USED = 0.75


def main(kind, store, url, key):
    shared = redis.Redis.from_url(store) if kind == "shared" else None
    kept = None

    def is_used(found):
        return found is not None and time.time() < found["until"]

    def token():
        nonlocal kept
        if is_used(kept):
            return
        if shared is not None:
            kept = json.loads(shared.get(key) or "null")
            if is_used(kept):
                return
        asked = time.time()
        with urllib.request.urlopen(urllib.request.Request(url, b"grant_type=client_credentials")) as answer:
            granted = json.load(answer)
        kept = {"token": granted["access_token"], "until": asked + USED * granted["expires_in"]}
        if shared is not None:
            shared.set(key, json.dumps(kept), ex=granted["expires_in"])

    member.serve(token=token)


if __name__ == "__main__":
    main(*sys.argv[1:])
