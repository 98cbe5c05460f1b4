_casefile() {
    local found line words=("${COMP_WORDS[@]:1:COMP_CWORD}")
    # A function gets words as they were typed.
    words=("${words[@]/#\~\//$HOME/}")
    if found=$("${1/#\~\//$HOME/}" __complete casefile "${words[@]}" 2>/dev/null); then
        # No file name stands where an address is expected.
        compopt +o default +o bashdefault 2>/dev/null
        COMPREPLY=()
        while IFS= read -r line; do
            [[ -z $line ]] || COMPREPLY+=("$line")
        done <<<"$found"
        return 0
    fi
    _casefile_static "$@"
}
