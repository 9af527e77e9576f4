# shellcheck shell=bash
# The same tests many times, to find those that fail now and then.

# repeat TIMES COMMAND…: a line for each run, each with a seed of its own, then how many runs there were and how many of
# them failed. Fails if one did.
repeat() {
  local times=$1 failed=0 run began log what
  shift
  for ((run = 1; run <= times; run++)); do
    began=$SECONDS log=$logs/repeat-$run.log what=passed
    if ((run > 1)); then new_seed; fi
    in_group "$@" >"$log" 2>&1
    if ! wait "$last_group"; then what=FAILED failed=$((failed + 1)); fi
    unset 'groups[-1]'
    say "run $run of $times: $what in $((SECONDS - began)) s, $(passed_tests "$log") tests passed, FUNCIFY_TEST_SEED=$FUNCIFY_TEST_SEED"
    if [[ $what == FAILED ]]; then
      grep -E '^test .* FAILED$' "$log" || tail -n 20 "$log"
      say "its log is ${log#"$PWD/"}"
    fi
  done
  say "$times runs, $failed failed, $SECONDS s in all"
  ((failed == 0))
}

passed_tests() {
  sed -n 's/^test result: .* \([0-9]*\) passed;.*/\1/p' "$1" | awk '{ sum += $1 } END { print sum + 0 }'
}

new_seed() {
  FUNCIFY_TEST_SEED=$(od -An -N8 -tu8 /dev/urandom | tr -d ' ')
  export FUNCIFY_TEST_SEED
}
