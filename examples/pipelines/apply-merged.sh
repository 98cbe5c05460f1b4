#!/bin/sh
# Applies what was merged: the project in the current folder, with its state in the repository. A second run sends
# nothing again, so that a job can always be run anew.
#
# Usage: apply-merged.sh
#
# Needs casefile and git. Reads:
#   CASEFILE_BRANCH   the branch whose tip is applied
#   CASEFILE_SUMMARY  the file to which the summary is added, in Markdown
#   CASEFILE_EXPECT   optional: the digest of the plan that was approved; without it, seals are the approval
#
# Exits 0 if everything is sent, also if collections still run when the time is up; otherwise with the code of
# `casefile apply`.
set -eu
: "${CASEFILE_BRANCH:?}" "${CASEFILE_SUMMARY:?}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# tell TEXT: in the log and in the summary.
tell() {
    printf '%s\n' "$1"
    printf '### casefile apply\n\n%s\n\n' "$1" >>"$CASEFILE_SUMMARY"
}

# An older commit lacks what was merged since, and would take it back. So the run of an older commit, which can be run
# anew by hand, does nothing. A commit that was not pushed was not reviewed either; a shallow clone cannot tell the two apart.
here=$(git rev-parse HEAD)
git ls-remote --exit-code origin "refs/heads/$CASEFILE_BRANCH" >"$work/tip"
tip=$(cut -f 1 <"$work/tip")
if [ "$here" != "$tip" ]; then
    tell "Nothing was sent: $here is not the tip of $CASEFILE_BRANCH, which is $tip. The run of that one applies all that is merged. If $here is not pushed yet, push it: its own run applies it."
    exit 0
fi

set -- --lock-timeout 10m --wait --timeout 30m
if [ -n "${CASEFILE_EXPECT:-}" ]; then
    set -- --expect "$CASEFILE_EXPECT" "$@"
else
    set -- --sealed "$@"
fi
# A pipe has the code of its last command, so the code goes through a file. casefile writes no line that a runner takes
# for a command, whatever manifests hold.
echo 1 >"$work/code"
{
    code=0
    casefile apply "$@" || code=$?
    echo "$code" >"$work/code"
} 2>&1 | tee "$work/log"
code=$(cat "$work/code")

result=$code
case $code in
0) tell 'Everything that was reviewed is sent (exit code 0).' ;;
3)
    # Not a failure: what was asked for is recorded, and the next plan looks at it again.
    result=0
    tell 'Everything is sent and nothing failed, but time ran out while collections still run (exit code 3). Nobody has to do anything: the nightly plan shows what became of them.'
    ;;
4) tell 'A conflict stopped the run (exit code 4): another run makes calls, no current seal or digest approves the plan, or a guard rail holds it back. The lines below say which, and what to do. Then run this job again: what was sent is not sent again.' ;;
130) tell 'The run was interrupted (exit code 130). What was sent is recorded: run this job again for the rest.' ;;
*) tell "The run failed, or a row needs a person (exit code $code). The lines below say why. What was sent is recorded, and is not sent again by another run." ;;
esac
# Indented lines are text in Markdown, whatever they hold.
tail -n 200 "$work/log" | sed 's/^/    /' >>"$CASEFILE_SUMMARY"
printf '\n' >>"$CASEFILE_SUMMARY"
exit "$result"
