# Sourced by the commands in this folder: makes a fresh clone ready, and does nothing when it is.
# Sets `root`. Prints to standard error only.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf 'drydock: %s\n' "$*" >&2; }

# Debian packages by the command that shows they are there.
debian_packages() {
  local missing=()
  command -v nft >/dev/null || [ -x /usr/sbin/nft ] || missing+=(nftables)
  command -v ip >/dev/null || [ -x /usr/sbin/ip ] || missing+=(iproute2)
  command -v unshare >/dev/null || missing+=(util-linux)
  command -v tcpdump >/dev/null || [ -x /usr/sbin/tcpdump ] || [ -x /usr/bin/tcpdump ] || missing+=(tcpdump)
  printf '%s\n' "${missing[@]}"
}

need_node() {
  local version
  if ! version=$(node --version 2>/dev/null); then
    say "Node.js 20.19 or newer is needed and no 'node' was found. Install it, for example: sudo apt-get install nodejs npm"
    exit 3
  fi
  version=${version#v}
  if [ "$(printf '%s\n' 20.19.0 "$version" | sort -V | head -n 1)" != 20.19.0 ]; then
    say "Node.js 20.19 or newer is needed; this is $version."
    exit 3
  fi
}

need_debian_packages() {
  [ "$(uname -s)" = Linux ] || return 0
  local missing
  mapfile -t missing < <(debian_packages | sed '/^$/d')
  [ ${#missing[@]} -gt 0 ] || return 0
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    if sudo -n true 2>/dev/null; then as_root=(sudo -n); else
      say "these Debian packages are missing: ${missing[*]}. Running a lab needs them (plan, trace and show on files do not). Install them with:"
      say "  sudo apt-get install -y ${missing[*]}"
      return 0
    fi
  fi
  if ! command -v apt-get >/dev/null; then
    say "install these with your package manager to run labs: ${missing[*]}"
    return 0
  fi
  say "installing Debian packages: ${missing[*]}"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update >&2 &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >&2 || {
    say "could not install ${missing[*]}; running a lab needs them."
    return 0
  }
}

# Current when the lock file of the last install is this one.
need_node_modules() {
  local mark=$root/node_modules/.drydock-lock
  cmp -s "$root/package-lock.json" "$mark" && return 0
  say "installing npm packages"
  # The lock file names no packages of other platforms where a registry does not have them, which `npm ci` refuses and this does not mind.
  (cd "$root" && npm install --no-save --no-audit --no-fund --loglevel=error >&2) || {
    say "npm install failed; see the lines above."
    exit 3
  }
  cp "$root/package-lock.json" "$mark"
}

# Current when nothing that goes into the bundle is newer than it.
need_build() {
  local mark=$root/dist/.built
  if [ -e "$mark" ] && [ -z "$(find "$root/src" "$root/bench" "$root/scripts/build.mjs" "$root/package.json" "$root/node_modules/.drydock-lock" -newer "$mark" -print -quit 2>/dev/null)" ]; then
    return 0
  fi
  say "building"
  (cd "$root" && node scripts/build.mjs >&2) || {
    say "the build failed; see the lines above."
    exit 3
  }
}

# Two calls at once in a fresh clone: the second waits for the first.
prepare() {
  need_node
  if command -v flock >/dev/null; then
    { exec 8>"$root/.setup.lock"; } 2>/dev/null && flock 8
  fi
  need_debian_packages
  need_node_modules
  need_build
  { exec 8>&-; } 2>/dev/null || true
}
