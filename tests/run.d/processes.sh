# shellcheck shell=bash
# Child processes, each with a process group and a log of its own. All of them end when this script ends.

groups=()
declare -A group_of=()
scratch=

stop_everything_on_exit() {
  find "$state" -maxdepth 1 -name 'run.*' -mmin +1440 -exec rm -rf {} + # of runs that were killed outright
  scratch=$(mktemp -d "$state/run.XXXXXX")
  trap stop_everything EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

stop_everything() {
  trap - EXIT
  trap '' HUP INT TERM
  local group
  for group in "${groups[@]}"; do kill -TERM -- "-$group" 2>/dev/null || true; done
  for ((tries = 0; tries < 50; tries++)); do
    alive || break
    sleep 0.1
  done
  for group in "${groups[@]}"; do kill -KILL -- "-$group" 2>/dev/null || true; done
  rm -rf "$scratch"
}

alive() {
  local group
  for group in "${groups[@]}"; do
    if kill -0 -- "-$group" 2>/dev/null; then return 0; fi
  done
  return 1
}

# in_group COMMAND…: starts it in a process group of its own. If this script is killed, the kernel ends it.
in_group() {
  local tie=()
  if setpriv --help 2>/dev/null | grep -q -- --pdeathsig; then tie=(setpriv --pdeathsig TERM); fi
  set -m
  "${tie[@]}" "$@" </dev/null &
  set +m
  last_group=$!
  groups+=("$last_group")
}

# serve NAME COMMAND…: starts a server with its output in $logs/NAME.log.
serve() {
  local name=$1
  shift
  in_group "$@" >"$logs/$name.log" 2>&1
  group_of[$name]=$last_group
}

# run_in_group COMMAND…: runs it in a group that a signal to this script ends too, and exits with its exit code.
run_in_group() {
  in_group "$@"
  local code=0
  wait "$last_group" || code=$?
  exit "$code"
}

# await NAME SECONDS PROBE…: waits until the probe succeeds. If it does not, or the server exits, prints the end of its log.
await() {
  local name=$1 seconds=$2 until=$((SECONDS + $2)) why=
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ! kill -0 -- "-${group_of[$name]}" 2>/dev/null; then why='ended before it was ready'; fi
    if ((SECONDS >= until)); then why="was not ready within $seconds s"; fi
    if [[ -n $why ]]; then
      tail -n 20 "$logs/$name.log" >&2
      fail "$name $why; its log is target/test-servers/logs/$name.log"
    fi
    sleep 0.05
  done
}

# Whether this HTTP URL on loopback answers 200. It uses only bash, for machines without curl.
answers_ok() {
  local port=$1 path=$2 status
  exec 9<>"/dev/tcp/127.0.0.1/$port" || return 1
  printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' "$path" >&9
  read -r -t 5 -u 9 status || status=
  exec 9>&-
  [[ $status == *' 200 '* ]]
}

# free_ports COUNT: free ports below the ephemeral range. The port 10,000 above each is free too, for a cluster's bus.
free_ports() {
  python3 - "$1" <<'END'
import random, socket, sys

held, ports = [], []
def hold(port):
    s = socket.socket()
    s.bind(("127.0.0.1", port))
    held.append(s)

while len(ports) < int(sys.argv[1]):
    port = random.randrange(11000, 21000)
    try:
        hold(port)
        hold(port + 10000)
        ports.append(port)
    except OSError:
        pass
print(*ports)
END
}
