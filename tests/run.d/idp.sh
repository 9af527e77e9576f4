# shellcheck shell=bash
# The identity provider, and the credentials of its clients. The secret is new in each run. It has characters that a
# client must form-encode.

start_idp() {
  local home=$state/idp
  FUNCIFY_TEST_IDP_SECRET="test +%/=&: $(openssl rand -hex 16)"
  export FUNCIFY_TEST_IDP_SECRET FUNCIFY_TEST_IDP_RSA_KEY=$home/rsa.pem FUNCIFY_TEST_IDP_EC_KEY=$home/ec.pem
  cp tests/idp/provider.mjs "$home/provider.mjs"
  serve idp env CLIENT_SECRET="$FUNCIFY_TEST_IDP_SECRET" RSA_KEY="$FUNCIFY_TEST_IDP_RSA_KEY" \
    EC_KEY="$FUNCIFY_TEST_IDP_EC_KEY" NODE_NO_WARNINGS=1 node "$home/provider.mjs"
}

await_idp() {
  await idp 30 grep -q '"issuer"' "$logs/idp.log"
  FUNCIFY_TEST_IDP=$(sed -n 's/.*"issuer":"\([^"]*\)".*/\1/p' "$logs/idp.log")
  export FUNCIFY_TEST_IDP
  say "identity provider at $FUNCIFY_TEST_IDP"
}
