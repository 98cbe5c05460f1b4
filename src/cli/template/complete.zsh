_casefile() {
    local found
    local -a typed
    typed=("${(@)words[2,CURRENT-1]}" "$PREFIX")
    typed=("${(@)typed/#\~\//$HOME/}")
    if found=$("${words[1]/#\~\//$HOME/}" __complete casefile "${(@)typed}" 2>/dev/null); then
        [[ -z $found ]] || compadd -- "${(@f)found}"
        return
    fi
    _casefile_static "$@"
}
