# shellcheck shell=bash
# Three kinds of Redis: plain; TLS with a user who has only the rights that a register needs; a cluster of three masters.
# And a Valkey.
# Where the caller has named a server, ours is not started.

start_redis() {
  local ports
  read -r -a ports < <(free_ports 6)
  if [[ -z ${FUNCIFY_TEST_REDIS-} ]]; then
    redis_plain=${ports[0]}
    start_plain_redis
    export FUNCIFY_TEST_REDIS=redis://127.0.0.1:$redis_plain
  fi
  if [[ -z ${FUNCIFY_TEST_REDIS_TLS-} ]]; then
    redis_tls=${ports[1]}
    redis_password=$(openssl rand -hex 16)
    start_tls_redis
    local ca
    ca=$(python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1]))' "$state/tls/ca.pem")
    export FUNCIFY_TEST_REDIS_TLS="rediss://funcify-test:$redis_password@127.0.0.1:$redis_tls?ca=$ca"
  fi
  if [[ -z ${FUNCIFY_TEST_REDIS_CLUSTER-} ]]; then
    redis_cluster=("${ports[@]:2:3}")
    start_redis_cluster
    local nodes=("${redis_cluster[@]/#/127.0.0.1:}")
    FUNCIFY_TEST_REDIS_CLUSTER=redis-cluster://$(IFS=,; echo "${nodes[*]}")
    export FUNCIFY_TEST_REDIS_CLUSTER
  fi
  if [[ -z ${FUNCIFY_TEST_VALKEY-} ]]; then
    valkey=${ports[5]}
    conf_for valkey "$valkey_server" "port $valkey"
    export FUNCIFY_TEST_VALKEY=valkey://127.0.0.1:$valkey
  fi
}

await_redis() {
  local node
  if [[ -n ${redis_plain-} ]]; then
    await redis 15 pings -p "$redis_plain"
    say "redis on port $redis_plain"
  fi
  if [[ -n ${redis_tls-} ]]; then
    await redis-tls 15 asks_for_a_password -p "$redis_tls" --tls --cacert "$state/tls/ca.pem"
    say "redis with TLS on port $redis_tls"
  fi
  if [[ -n ${redis_cluster-} ]]; then
    for node in 0 1 2; do await "redis-cluster-$node" 15 pings -p "${redis_cluster[node]}"; done
    redis-cli --cluster create "${redis_cluster[@]/#/127.0.0.1:}" --cluster-replicas 0 --cluster-yes \
      >"$logs/redis-cluster-create.log" 2>&1 || { cat "$logs/redis-cluster-create.log" >&2; fail 'the Redis Cluster could not be made'; }
    for node in 0 1 2; do await "redis-cluster-$node" 30 is_whole "${redis_cluster[node]}"; done
    say "redis cluster on ports ${redis_cluster[*]}"
  fi
  if [[ -n ${valkey-} ]]; then
    await valkey 15 pings -p "$valkey"
    say "valkey on port $valkey"
  fi
}

pings() { [[ $(redis-cli -h 127.0.0.1 --no-auth-warning "$@" ping) == PONG ]]; }

asks_for_a_password() { [[ $(redis-cli -h 127.0.0.1 "$@" ping) == NOAUTH* ]]; }

is_whole() { redis-cli -h 127.0.0.1 -p "$1" cluster info | grep -q 'cluster_state:ok'; }

start_plain_redis() {
  redis_conf redis "port $redis_plain"
}

# Its user is that of deploy/redis.acl with the name and the prefix of the tests. Its rights must be enough.
start_tls_redis() {
  local tls=$state/tls
  redis_conf redis-tls 'port 0' "tls-port $redis_tls" "tls-cert-file \"$tls/server.pem\"" \
    "tls-key-file \"$tls/server-key.pem\"" "tls-ca-cert-file \"$tls/ca.pem\"" 'tls-auth-clients no' \
    'user default off' \
    "$(sed "s/^user funcify /user funcify-test /; s/>PASSWORD />$redis_password /; s/~PREFIX:/~funcify-test:/" deploy/redis.acl)"
}

start_redis_cluster() {
  local node
  for node in 0 1 2; do
    redis_conf "redis-cluster-$node" "port ${redis_cluster[node]}" 'cluster-enabled yes' 'cluster-node-timeout 5000'
  done
}

# redis_conf NAME LINE…: a Redis with a configuration of these lines, in memory only.
redis_conf() {
  local name=$1
  shift
  conf_for "$name" redis-server "$@"
}

# conf_for NAME SERVER LINE…: the same with this program.
conf_for() {
  local name=$1 server=$2 home=$scratch/$1
  shift 2
  mkdir -p "$home"
  (umask 077 && printf '%s\n' 'bind 127.0.0.1' 'save ""' 'appendonly no' "dir \"$home\"" "$@" >"$home/redis.conf")
  serve "$name" "$server" "$home/redis.conf"
}
