"""Runs the scenarios and prints a table for each part: `scenarios.py FLEET_MEMBER [idempotency] [circuit] [token]`.

`FUNCIFY_TEST_REDIS` names the Redis, and `AWS_ENDPOINT_URL_DYNAMODB` the DynamoDB server.
"""

import sys

import circuit
import idempotency
import tokens

PARTS = {"idempotency": idempotency.run, "circuit": circuit.run, "token": tokens.run}


def main(our_member, *names):
    unknown = set(names) - set(PARTS)
    if unknown:
        sys.exit(f"expected some of {', '.join(PARTS)}, got {', '.join(sorted(unknown))}")
    broken = [name for name in names or PARTS if not PARTS[name](our_member)]
    if broken:
        sys.exit(f"funcify did not do what it promises: {', '.join(broken)}")


main(*sys.argv[1:])
