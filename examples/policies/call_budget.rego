# One plan asks at most so many machines for a package, and asks again for what is done (`replace`) only
# with a ticket in the text.
package main

import rego.v1

most_machines := 5

deny contains msg if {
	machines := {change.request.path |
		some change in input.changes
		change.action in {"create", "retry", "replace"}
		startswith(change.address, "InvestigationPackage/")
	}
	count(machines) > most_machines
	msg := sprintf("%d machines in one plan, where %d are allowed", [count(machines), most_machines])
}

deny contains msg if {
	some change in input.changes
	change.action == "replace"
	not ticket(change.request.body)
	msg := sprintf("%s: asked again without a ticket", [change.address])
}

ticket(body) if regex.match(`\b(INC|CHG)-[0-9]+\b`, body.Comment)

ticket(body) if regex.match(`\b(INC|CHG)-[0-9]+\b`, body.description)
