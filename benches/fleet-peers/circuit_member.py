"""One process of a fleet with a circuit breaker in Python: `circuit_member.py powertools|interlock|pybreaker STORE`."""

import sys
import urllib.parse

import member


def powertools(store):
    import boto3
    from aws_lambda_powertools.utilities.circuit_breaker import CircuitBreakerConfig, circuit_breaker
    from aws_lambda_powertools.utilities.circuit_breaker.persistence import CircuitBreakerDynamoDBPersistence

    client = boto3.client("dynamodb")
    table = urllib.parse.urlparse(store).netloc

    def make(name, failures, seconds, successes):
        config = CircuitBreakerConfig(
            failure_threshold=failures, recovery_timeout=seconds, success_threshold=successes)
        persistence = CircuitBreakerDynamoDBPersistence(table_name=table, boto3_client=client)
        protect = circuit_breaker(name=name, persistence_store=persistence, config=config)
        return lambda work: protect(work)()

    return make


def interlock(store):
    import redis
    from interlock import CircuitBreaker, Config
    from interlock.integrations.redis import RedisStorage

    storage = RedisStorage(redis.Redis.from_url(store))

    def make(name, failures, seconds, successes):
        # It has rates and no counts: with half of at least this many calls, this many failures open it.
        config = Config(
            failure_rate_threshold=0.5, minimum_number_of_calls=failures, wait_duration_in_open=float(seconds),
            permitted_calls_in_half_open=successes, max_concurrent_probes=1)
        return CircuitBreaker(name=name, config=config, storage=storage).call

    return make


def pybreaker(store):
    import pybreaker as peer
    import redis

    client = redis.Redis.from_url(store)

    def make(name, failures, seconds, successes):
        storage = peer.CircuitRedisStorage(peer.STATE_CLOSED, client, namespace=name)
        return peer.CircuitBreaker(
            fail_max=failures, reset_timeout=seconds, success_threshold=successes, state_storage=storage).call

    return make


if __name__ == "__main__":
    _, peer, store = sys.argv
    member.serve(make_circuit={"powertools": powertools, "interlock": interlock, "pybreaker": pybreaker}[peer](store))
