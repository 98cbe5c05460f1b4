#!/bin/sh
# Plans the project in the current folder and keeps the plan as one comment of the pull request: the
# comment of an earlier run is updated, the first run creates it. A plan that fails is told there too, so
# that no outdated one is left standing. Nothing is applied.
#
# Usage: plan-comment.sh github|gitlab|azure
#
# Needs casefile, curl and jq. Reads:
#   FORGE_TOKEN       may comment on the pull request; casefile itself does not get it
#   CASEFILE_PROJECT  optional: tells the comments of several projects in one repository apart
#   github   GITHUB_API_URL, GITHUB_REPOSITORY, PR_NUMBER; COMMENT_AUTHOR if FORGE_TOKEN is not the job's
#   gitlab   CI_API_V4_URL, CI_PROJECT_ID, CI_MERGE_REQUEST_IID
#   azure    SYSTEM_COLLECTIONURI, SYSTEM_TEAMPROJECTID, BUILD_REPOSITORY_ID,
#            SYSTEM_PULLREQUEST_PULLREQUESTID
#
# Exits 0 if there is a plan, with or without changes; otherwise with the code of `casefile plan`.
# shellcheck disable=SC2016 # the variables in single quotes are jq's
set -eu

forge=${1:?usage: plan-comment.sh github|gitlab|azure}
: "${FORGE_TOKEN:?}"
marker="<!-- casefile plan: ${CASEFILE_PROJECT:-.} -->"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Runners obey commands that they find in a log: what comes from manifests must not look like one.
tame() {
    sed -e 's/##/# #/g' -e 's/^\([[:space:]]*\)::/\1: :/'
}

code=0
(
    unset FORGE_TOKEN
    casefile plan --format markdown --detailed-exitcode >"$work/plan.md" 2>"$work/log"
) || code=$?
tame <"$work/log" >&2
case $code in
0 | 2) result=0 ;; # nothing to do, or changes: both are a plan
*) result=$code ;;
esac
{
    printf '%s\n' "$marker"
    if [ "$result" -ne 0 ]; then
        printf '**`casefile plan` failed with exit code %s. The log of this run says why.**\n\n' "$code"
    fi
    cat "$work/plan.md"
} >"$work/comment.md"

# request METHOD URL [BODY_FILE]: writes the answer to $work/answer and its status to $status. The token
# goes through a pipe: a command line can be read by others.
request() {
    method=$1 url=$2
    shift 2
    if [ $# -gt 0 ]; then
        set -- --header 'Content-Type: application/json' --data-binary "@$1"
    else
        set -- --retry 3
    fi
    status=$(printf 'header = "%s"\n' "$authorization" |
        curl --silent --show-error --config - --request "$method" --max-time 60 \
            --output "$work/answer" --write-out '%{http_code}' "$@" "$url")
}

fail() {
    printf 'plan-comment.sh: %s %s answered with status %s\n' "$method" "${url%%\?*}" "$status" >&2
    exit 1
}

# Each forge says: where its comments are listed, page by page; which of them are ours (one `ID` a line,
# from $work/answer); how one is written. Comments of others that hold the marker are not ours.
case $forge in
github)
    authorization="Authorization: Bearer $FORGE_TOKEN"
    api="${GITHUB_API_URL:-https://api.github.com}/repos/$GITHUB_REPOSITORY/issues"
    author=${COMMENT_AUTHOR:-github-actions[bot]}
    list="$api/$PR_NUMBER/comments?per_page=100&page="
    create="$api/$PR_NUMBER/comments"
    all='.'
    ours='.user.login == $author and (.body | startswith($marker))'
    id='.id'
    update() { request PATCH "$api/comments/$1" "$work/body"; }
    new='{ body: . }' edited='{ body: . }'
    ;;
gitlab)
    authorization="PRIVATE-TOKEN: $FORGE_TOKEN"
    request GET "$CI_API_V4_URL/user"
    [ "$status" = 200 ] || fail
    author=$(jq -r '.id | tostring' "$work/answer")
    api="$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes"
    list="$api?sort=asc&order_by=created_at&per_page=100&page="
    create=$api
    all='.'
    ours='(.author.id | tostring) == $author and (.body | startswith($marker))'
    id='.id'
    update() { request PUT "$api/$1" "$work/body"; }
    new='{ body: . }' edited='{ body: . }'
    ;;
azure)
    authorization="Authorization: Bearer $FORGE_TOKEN"
    api="${SYSTEM_COLLECTIONURI%/}/$SYSTEM_TEAMPROJECTID/_apis/git/repositories/$BUILD_REPOSITORY_ID"
    api="$api/pullRequests/$SYSTEM_PULLREQUEST_PULLREQUESTID/threads"
    author='' # only the author of a comment may edit it here: the service refuses all others
    list="$api?api-version=7.1"
    create="$api?api-version=7.1"
    all='.value'
    ours='(.isDeleted | not) and (.comments[0].content // "" | startswith($marker))'
    id='"\(.id)/comments/\(.comments[0].id)"'
    update() { request PATCH "$api/$1?api-version=7.1" "$work/body"; }
    # A closed thread blocks no merge.
    new='{ comments: [{ parentCommentId: 0, commentType: "text", content: . }], status: "closed" }'
    edited='{ content: . }'
    ;;
*)
    printf 'plan-comment.sh: unknown forge %s\n' "$forge" >&2
    exit 64
    ;;
esac

: >"$work/ids"
page=1
while :; do
    case $list in
    *page=) request GET "$list$page" ;;
    *) request GET "$list" ;;
    esac
    [ "$status" = 200 ] || fail
    jq -r --arg marker "$marker" --arg author "$author" "$all | .[] | select($ours) | $id" \
        "$work/answer" >>"$work/ids"
    # A short page is the last one; a forge without pages sends everything at once.
    case $list in *page=) ;; *) break ;; esac
    [ "$(jq "$all | length" "$work/answer")" -eq 100 ] || break
    page=$((page + 1))
done

jq -Rs "$edited" "$work/comment.md" >"$work/body"
written=''
while read -r found; do
    update "$found"
    case $status in
    2??) written=updated && break ;;
    403 | 404) ;; # not ours after all, or deleted meanwhile
    *) fail ;;
    esac
done <"$work/ids"
if [ -z "$written" ]; then
    jq -Rs "$new" "$work/comment.md" >"$work/body"
    request POST "$create" "$work/body"
    case $status in 2??) written=created ;; *) fail ;; esac
fi
printf 'plan-comment.sh: %s the comment\n' "$written"
exit "$result"
