#!/bin/sh
# Runs a command that reaches the state in the repository with the job's token. Jobs check out without leaving a token
# behind, so that the steps before, which install the tool, have none; here git gets it through the environment: no file
# and no command line holds it.
#
# Usage: state-token.sh github|gitlab|azure COMMAND [ARGUMENT]...
#
# Needs git. Reads:
#   STATE_TOKEN  may read the repository, and push the state's ref where the command applies; git alone gets it
#   github   GITHUB_SERVER_URL
#   gitlab   CI_SERVER_URL
#   azure    SYSTEM_COLLECTIONURI
set -eu

forge=${1:?usage: state-token.sh github|gitlab|azure COMMAND [ARGUMENT]...}
shift
: "${STATE_TOKEN:?}"

# basic USER: the header for a token that stands for a password.
basic() {
    printf 'Authorization: Basic %s' "$(printf '%s:%s' "$1" "$STATE_TOKEN" | base64 | tr -d '\n')"
}

case $forge in
github) host=$GITHUB_SERVER_URL header=$(basic x-access-token) ;;
gitlab) host=$CI_SERVER_URL header=$(basic gitlab-ci-token) ;;
azure) host=$SYSTEM_COLLECTIONURI header="Authorization: Bearer $STATE_TOKEN" ;;
*)
    printf 'state-token.sh: unknown forge %s\n' "$forge" >&2
    exit 64
    ;;
esac
# The forge's own host alone gets the header.
GIT_CONFIG_COUNT=1
GIT_CONFIG_KEY_0="http.${host%/}/.extraHeader"
GIT_CONFIG_VALUE_0=$header
export GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0
unset STATE_TOKEN
exec "$@"
