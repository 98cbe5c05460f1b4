#!/bin/sh
# Plans the project in the current folder, plays a drill of it, and tells when something needs a person: in one issue,
# which later runs update, and which is closed when nothing is left to do. Azure DevOps has no kind of work item that
# every project knows, so there the job fails. Nothing is applied.
#
# Usage: nightly-plan.sh github|gitlab|azure
#
# Needs casefile; gh and jq for github; curl and jq for gitlab. Reads:
#   CASEFILE_SUMMARY  the file to which the summary is added, in Markdown
#   CASEFILE_PROJECT  optional: tells the issues of several projects in one repository apart
#   github   FORGE_TOKEN, which may write issues; GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_RUN_ID
#   gitlab   FORGE_TOKEN, which may write issues; CI_API_V4_URL, CI_PROJECT_ID, CI_JOB_URL
#
# Exits 0 if nothing needs a person, or if the issue says what does; for azure with the code of `casefile plan`.
# shellcheck disable=SC2016 # the variables in single quotes are jq's
set -eu

forge=${1:?usage: nightly-plan.sh github|gitlab|azure}
: "${CASEFILE_SUMMARY:?}"
marker="<!-- casefile nightly plan: ${CASEFILE_PROJECT:-.} -->"
title="casefile: the nightly plan needs a person"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

code=0
(
    unset FORGE_TOKEN
    casefile plan --format markdown --detailed-exitcode --strict >"$work/plan.md" 2>"$work/log"
) || code=$?
cat "$work/log" >&2
# The same project against made-up machines, with faults: it needs no sign-in.
drill=0
(
    unset FORGE_TOKEN
    casefile drill --faults >"$work/drill" 2>&1
) || drill=$?
cat "$work/drill" >&2
case $code in
0) what='Nothing needs a person.' ;;
2) what='There is something to do that no run has sent (exit code 2). Run the job that applies again; its summary says what holds it back.' ;;
4) what='A conflict (exit code 4): the state is not the one that was there, or a guard rail holds the plan back. The log of the run says which, and what to do.' ;;
*) what="The plan failed, or a row needs a person (exit code $code). The log of the run says why, and what to do." ;;
esac
if [ "$code" -eq 0 ] && [ "$drill" -ne 0 ]; then
    code=$drill
    what="Nothing is left to send, but the drill failed (exit code $drill): a real run would not get everything. The log of the run says what."
fi
printf '### casefile plan, nightly\n\n%s\n\n' "$what" >>"$CASEFILE_SUMMARY"
cat "$work/plan.md" >>"$CASEFILE_SUMMARY"

# issue RUN: its text. The plan comes last and leaves room for the lines before it.
issue() {
    printf '%s\n%s\n\nRun: %s\n\n' "$marker" "$what" "$1"
    cat "$work/plan.md"
}

# request METHOD PATH [BODY_FILE]: writes GitLab's answer to $work/answer. The token goes through a pipe: a command line
# can be read by others.
request() {
    method=$1 path=$2
    shift 2
    if [ $# -gt 0 ]; then
        set -- --header 'Content-Type: application/json' --data-binary "@$1"
    fi
    printf 'header = "PRIVATE-TOKEN: %s"\n' "$FORGE_TOKEN" |
        curl --silent --show-error --fail --config - --request "$method" --max-time 60 \
            --output "$work/answer" "$@" "$CI_API_V4_URL/$path"
}

# Issues of others that hold the marker are not ours: `number` is empty where there is none of our own that is open.
case $forge in
github)
    : "${FORGE_TOKEN:?}"
    export GH_TOKEN="$FORGE_TOKEN" GH_REPO="$GITHUB_REPOSITORY"
    issue "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID" >"$work/body"
    gh issue list --state open --limit 100 --json number,body \
        --search 'author:app/github-actions in:title "casefile: the nightly plan"' >"$work/answer"
    number=$(jq -r --arg marker "$marker" \
        '[.[] | select(.body | startswith($marker))][0].number // empty' "$work/answer")
    case $code,$number in
    0,) ;;
    0,*) gh issue close "$number" --comment "$what" ;;
    *,) gh issue create --title "$title" --body-file "$work/body" ;;
    *) gh issue edit "$number" --body-file "$work/body" ;;
    esac
    ;;
gitlab)
    : "${FORGE_TOKEN:?}"
    issue "$CI_JOB_URL" | jq -Rs --arg title "$title" '{ title: $title, description: . }' >"$work/body"
    request GET user
    author=$(jq -r .id "$work/answer")
    issues="projects/$CI_PROJECT_ID/issues"
    request GET "$issues?state=opened&scope=all&author_id=$author&order_by=created_at&sort=asc&per_page=100"
    number=$(jq -r --arg marker "$marker" \
        '[.[] | select(.description // "" | startswith($marker))][0].iid // empty' "$work/answer")
    case $code,$number in
    0,) ;;
    0,*)
        printf '{ "state_event": "close" }' >"$work/body"
        request PUT "$issues/$number" "$work/body"
        ;;
    *,) request POST "$issues" "$work/body" ;;
    *) request PUT "$issues/$number" "$work/body" ;;
    esac
    ;;
azure)
    printf 'nightly-plan.sh: %s\n' "$what"
    exit "$code"
    ;;
*)
    printf 'nightly-plan.sh: unknown forge %s\n' "$forge" >&2
    exit 64
    ;;
esac
case $code,$number in
0,) told='' ;;
0,*) told=" Issue $number is closed." ;;
*,) told=' An issue is opened.' ;;
*) told=" Issue $number is updated." ;;
esac
printf 'nightly-plan.sh: %s%s\n' "$what" "$told"
