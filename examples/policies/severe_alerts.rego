# An alert of severity High says in its description which incident it belongs to.
package main

import rego.v1

deny contains msg if {
	some change in input.changes
	change.action in {"create", "retry", "replace"}
	startswith(change.address, "Alert/")
	alert := change.request.body
	alert.severity == "High"
	not regex.match(`\bINC-[0-9]+\b`, alert.description)
	msg := sprintf("%s: severity High without an incident number in its description", [change.address])
}
