#!/usr/bin/env bash
# Builds the kernel: the same sources give the same bytes in every folder and for every user.
#
#   kernel/build.sh [CARGO-ARGUMENT ...]
#
# Whatever builds the kernel calls this, so that there is one set of flags. The flags name the folders that would otherwise stand in
# panic messages and debug information. They are given here and not in a configuration file of cargo, because there they reach what
# runs while building (procedural macros, build scripts) as well, and because they differ from machine to machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=x86_64-unknown-linux-gnu
flags=()

# remap FOLDER NAME: what is compiled from FOLDER, by either of its paths, is said to be in NAME. The last one that fits counts.
remap() {
  local folder
  for folder in "$1" "$(realpath -m "$1")"; do
    flags+=("--remap-path-prefix=$folder=$2")
  done
}

packages=${CARGO_HOME:-$HOME/.cargo}
# Brings the folders of packages, which are named after the registry, into being.
cargo fetch --quiet --target $target
remap "$PWD" /sekisho/source
remap "${CARGO_TARGET_DIR:-$PWD/target}" /sekisho/target
for registry in "$packages"/registry/src/*/; do
  remap "${registry%/}" /sekisho/packages
done
remap "$(rustc --print sysroot)/lib/rustlib/src/rust" "/rustc/$(rustc -vV | sed -n 's/^commit-hash: //p')"

CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && echo "${flags[*]}")
export CARGO_ENCODED_RUSTFLAGS
exec cargo build --profile kernel -p sekisho-kernel --target $target "$@"
