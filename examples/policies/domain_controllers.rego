# Nothing is collected from a domain controller: not by the name of the resource, not where the project
# protects the machine. In a plan that was saved with --out, labels count too.
package main

import rego.v1

deny contains msg if {
	some change in input.changes
	change.action in {"create", "retry", "replace"}
	startswith(change.address, "InvestigationPackage/")
	some why in domain_controller(change)
	msg := sprintf("%s: no collection from a domain controller (%s)", [change.address, why])
}

domain_controller(change) := {why |
	some why in array.concat(by_name(change), array.concat(by_label(change), by_warning(change)))
}

by_name(change) := ["by its name" | regex.match(`(^|[-./])dc([-.0-9]|$)`, change.address)]

by_label(change) := ["by its label" | change.execution.call.labels.role == "domain-controller"]

by_warning(change) := [warning.message |
	some warning in change.warnings
	startswith(warning.code, "protected-machine")
]
