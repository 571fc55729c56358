# Installs what a script of this folder needs. To be sourced by bash.

# need_packages PACKAGE...: sees to it that these Debian packages are there. Installs the missing ones as root or with
# a sudo that asks nothing, and says so; else names the one command that would, and fails.
need_packages() {
  local missing=() package
  for package in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2> /dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return 0
  if ! command -v apt-get > /dev/null; then
    echo "sekisho: this needs what Debian calls ${missing[*]}; install it with your system's package manager" >&2
    return 1
  fi
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2> /dev/null; then
      echo "sekisho: packages are missing; install them: sudo apt-get install ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  echo "sekisho: installing ${missing[*]} (once; a minute or two)"
  "${as_root[@]}" apt-get -qq update || return 1
  install_packages "${missing[@]}" > /dev/null 2>&1 && return 0
  # A newer part of QEMU from backports keeps the older rest from being installed beside it.
  add_backports || return 1
  local backports
  backports=$(. /etc/os-release && echo "$VERSION_CODENAME-backports")
  echo "sekisho: installing them from $backports, to go with what is there"
  install_packages -t "$backports" "${missing[@]}" > /dev/null && return 0
  echo "sekisho: apt-get could not install ${missing[*]}: see above" >&2
  return 1
}

# Nothing that is there may go: apt would rather remove a newer qemu-utils than refuse an older QEMU.
install_packages() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -qq --no-install-recommends --no-remove install "$@"
}

# Adds Debian's backports from the mirror that is in use, unless apt knows them already.
add_backports() {
  local codename mirror
  codename=$(. /etc/os-release && [ "$ID" = debian ] && echo "$VERSION_CODENAME") || {
    echo "sekisho: apt-get refuses; try: apt-get install ${missing[*]}" >&2
    return 1
  }
  apt-cache policy | grep -q "a=$codename-backports" && return 0
  mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2> /dev/null |
    grep -Eo '^(URIs:|deb) .*https?://[^ ]+' | grep -Eo 'https?://[^ ]+' | grep -v security | head -n 1)
  echo "sekisho: adding $codename-backports of ${mirror:-deb.debian.org} to apt"
  echo "deb ${mirror:-http://deb.debian.org/debian} $codename-backports main" |
    "${as_root[@]}" tee /etc/apt/sources.list.d/sekisho-backports.list > /dev/null
  "${as_root[@]}" apt-get -qq update
}

# keep_off SERVICE PACKAGE: a package that is not there yet, and is wanted for its programs only, never starts its service.
keep_off() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$2" 2> /dev/null)" != installed ] || return 0
  [ -d /etc/systemd/system ] && [ ! -e "/etc/systemd/system/$1.service" ] || return 0
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo -n)
  echo "sekisho: $1 is masked before it is installed, and never runs by itself (to have it: systemctl unmask $1)"
  "${as_root[@]}" ln -s /dev/null "/etc/systemd/system/$1.service" 2> /dev/null || true
}
