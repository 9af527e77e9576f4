# shellcheck shell=bash
# Servers of the caller's own. What breaks, configures or fills a server is not done to them: those tests are ignored.

# Prints the names that tests/own.rs knows, with spaces between them. To be asked before a server of ours is started.
own_servers() {
  local own=()
  if [[ -n ${FUNCIFY_TEST_REDIS_TLS-} && $FUNCIFY_TEST_REDIS_TLS != *[?\&]ca=* ]]; then own+=(redis-tls-without-ca); fi
  if [[ -n ${FUNCIFY_TEST_REDIS_CLUSTER-} ]]; then own+=(redis-cluster); fi
  if [[ -n ${FUNCIFY_TEST_DYNAMODB-} ]]; then own+=(dynamodb); fi
  if [[ -n ${FUNCIFY_TEST_SSM-} ]]; then own+=(ssm); fi
  printf '%s' "${own[*]}"
}

# Tells the build of the tests. The variable is unset where it would be empty, so that nothing is built anew.
note_own_servers() {
  local own
  own=$(own_servers)
  unset FUNCIFY_TEST_OWN
  if [[ -z $own ]]; then return; fi
  say "your own servers: $own; the tests that need ours in their place are ignored"
  export FUNCIFY_TEST_OWN=$own
}
