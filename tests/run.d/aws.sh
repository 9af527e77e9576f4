# shellcheck shell=bash
# DynamoDB, SSM, KMS and Secrets Manager by one local server, unless the caller has named a table and a path of their own.

start_aws() {
  if [[ -z ${FUNCIFY_TEST_DYNAMODB-} && -z ${FUNCIFY_TEST_SSM-} ]]; then
    use_dummy_credentials
  elif [[ -n ${FUNCIFY_TEST_DYNAMODB-} && -n ${FUNCIFY_TEST_SSM-} ]]; then
    return
  fi
  ministack_port=$(free_ports 1)
  local url=http://127.0.0.1:$ministack_port
  if [[ -z ${FUNCIFY_TEST_DYNAMODB-} ]]; then
    export FUNCIFY_TEST_DYNAMODB='dynamodb://funcify-test?region=us-east-1' AWS_ENDPOINT_URL_DYNAMODB=$url
  fi
  if [[ -z ${FUNCIFY_TEST_SSM-} ]]; then
    export FUNCIFY_TEST_SSM='ssm:///funcify-test?region=us-east-1' AWS_ENDPOINT_URL_SSM=$url AWS_ENDPOINT_URL_KMS=$url
    export AWS_ENDPOINT_URL_SECRETS_MANAGER=$url
  fi
  mkdir -p "$scratch/ministack"
  serve ministack env -C "$scratch/ministack" \
    BIND_HOST=127.0.0.1 IOT_MTLS_ENABLED=0 SERVICES=dynamodb,ssm,kms,secretsmanager GATEWAY_PORT="$ministack_port" \
    "$state/ministack-venv/bin/ministack"
}

await_aws() {
  if [[ -z ${ministack_port-} ]]; then return; fi
  await ministack 90 answers_ok "$ministack_port" /_ministack/ready
  say "dynamodb, ssm, kms and secretsmanager on port $ministack_port"
}

# A profile, a session or an endpoint of the caller must not reach a test that uses a local server.
use_dummy_credentials() {
  unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
}
