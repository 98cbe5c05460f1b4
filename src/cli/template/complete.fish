function __fish_casefile_addresses
    set -l typed (commandline -opc)
    $typed[1] __complete casefile $typed[2..] (commandline -ct) 2>/dev/null
end
for command in plan apply
    complete -c casefile -n "__fish_casefile_using_subcommand $command" -l replace -x -a '(__fish_casefile_addresses)'
end
for command in plan apply validate
    complete -c casefile -n "__fish_casefile_using_subcommand $command" -l since -x -a '(__fish_casefile_addresses)'
end
for command in plan apply render status log fetch report export cancel
    complete -c casefile -n "__fish_casefile_using_subcommand $command" -s l -l selector -x -a '(__fish_casefile_addresses)'
end
complete -c casefile -n "__fish_casefile_using_subcommand new" -l runbook -x -a '(__fish_casefile_addresses)'
for command in status cancel state import test
    complete -c casefile -n "__fish_casefile_using_subcommand $command; and __fish_casefile_addresses >/dev/null" -f -a '(__fish_casefile_addresses)'
end
