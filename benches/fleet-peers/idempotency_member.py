"""One process of a fleet that uses Powertools: `idempotency_member.py STORE KEY MS [fails]`.

It does work that takes so long under the key, and prints a line of JSON when the work begins, when it ends, and when it
is answered: the same lines as `fleet_member KEY block MS` of funcify.
"""

import json
import os
import sys
import time
import urllib.parse

import boto3
from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.idempotency.persistence.cache import CachePersistenceLayer
from aws_lambda_powertools.utilities.idempotency.persistence.dynamodb import DynamoDBPersistenceLayer

# What is left of the invocation: a claim ends with it.
LEFT_MS = 3000


class Context:
    """The context of an invocation, as far as Powertools reads it."""

    def get_remaining_time_in_millis(self):
        return LEFT_MS


def store_of(url):
    parsed = urllib.parse.urlparse(url)
    if parsed.scheme == "redis":
        return CachePersistenceLayer(host=parsed.hostname, port=parsed.port, ssl=False)
    return DynamoDBPersistenceLayer(table_name=parsed.netloc, boto3_session=boto3.Session())


def say(step, **outcome):
    print(json.dumps({"step": step, **outcome}), flush=True)


def main(store, key, milliseconds, fails=""):
    config = IdempotencyConfig(expires_after_seconds=3600)
    config.register_lambda_context(Context())

    @idempotent_function(data_keyword_argument="key", config=config, persistence_store=store_of(store))
    def work(key):
        say("began")
        time.sleep(int(milliseconds) / 1000)
        say("worked")
        if fails:
            raise RuntimeError("the work failed")
        return os.getpid()

    try:
        say("once", answer=work(key=key))
    except Exception as error:
        say("once", error=repr(error))


if __name__ == "__main__":
    main(*sys.argv[1:])
