#!/bin/sh
# Installs casefile for the later steps of a job: the archive of a release if its checksum is the one that was reviewed, or
# a build of the source.
#
# Usage: install-casefile.sh
#
# Needs curl, tar, and sha256sum or shasum; to build, cargo and git. Reads:
#   CASEFILE_ARCHIVE  the address of a release's archive for the runner: casefile-VERSION-TARGET.tar.gz
#   CASEFILE_SHA256   its SHA-256, a line of SHA256SUMS of the release
#   CASEFILE_SOURCE   where CASEFILE_ARCHIVE is not set: the git URL of the source to build, which takes minutes, or a folder
#                     that holds it
#   CASEFILE_REV      the commit of the URL
#   CASEFILE_ROOT     optional: the program goes to bin/ in this folder; without it to $HOME/.local/bin
set -eu
root=${CASEFILE_ROOT:-$HOME/.local}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    printf 'install-casefile.sh: %s\n' "$1" >&2
    exit 1
}

digest() {
    if command -v sha256sum >/dev/null; then sha256sum <"$1"; else shasum -a 256 <"$1"; fi | cut -d ' ' -f 1
}

if [ -n "${CASEFILE_ARCHIVE:-}" ]; then
    [ -n "${CASEFILE_SHA256:-}" ] || fail 'CASEFILE_SHA256 is not set: it is in SHA256SUMS of the release'
    # A program that comes over plain http is anybody's, whatever its checksum was when somebody noted it.
    curl --silent --show-error --fail --location --proto '=https,file' --proto-redir '=https' --retry 3 \
        --output "$work/archive" "$CASEFILE_ARCHIVE"
    found=$(digest "$work/archive")
    [ "$found" = "$CASEFILE_SHA256" ] \
        || fail "$CASEFILE_ARCHIVE has the SHA-256 $found, not $CASEFILE_SHA256: it is not installed"
    mkdir -p "$work/out" "$root/bin"
    tar -xzf "$work/archive" -C "$work/out"
    cp "$work"/out/*/casefile* "$root/bin/"
elif [ -f "${CASEFILE_SOURCE:-}/Cargo.toml" ]; then
    cargo install --locked --path "$CASEFILE_SOURCE" --root "$root"
elif [ -n "${CASEFILE_SOURCE:-}" ]; then
    : "${CASEFILE_REV:?install-casefile.sh: name the commit to build}"
    cargo install --locked --git "$CASEFILE_SOURCE" --rev "$CASEFILE_REV" --root "$root" casefile
else
    fail 'set CASEFILE_ARCHIVE and CASEFILE_SHA256 (a release), or CASEFILE_SOURCE and CASEFILE_REV (a build)'
fi

# What each runner reads, in the form of its system; GitLab's job sets PATH itself.
bin=$root/bin
if command -v cygpath >/dev/null; then bin=$(cygpath -w "$bin"); fi
if [ -n "${GITHUB_PATH:-}" ]; then printf '%s\n' "$bin" >>"$GITHUB_PATH"; fi
if [ -n "${TF_BUILD:-}" ]; then printf '##vso[task.prependpath]%s\n' "$bin"; fi
