# METADATA
# title: Sallyport's decision
# description: One answer to one question. Anything missing, of a wrong type or unknown denies, with its reason.
package sallyport

import data.sallyport.answers
import data.sallyport.asked

# METADATA
# title: The decision
# description: Allow only when the question can be judged and no rule denies. The first of these that fails is the only reason given.
# entrypoint: true
default decision := {"allow": false, "reasons": ["invalid_input"], "obligations": {}}

# What the first branch says is asked for alone first (policies/first.py), with only the rules that it needs.
decision := told if {
	told := data.sallyport.usual.decision
} else := answers.denied(["invalid_input"]) if {
	not data.sallyport.shape.typed
} else := answers.denied(["unknown_action"]) if {
	not known_action
} else := answers.denied(["unknown_zone"]) if {
	not known_zone
} else := answers.denied(["unknown_tier"]) if {
	not known_tier
} else := answers.denied(["invalid_input"]) if {
	not data.sallyport.shape.complete
} else := answers.allowed(obligations) if {
	reasons == set()
} else := answers.denied(sort([reason | some reason in reasons])) if {
	count(reasons) > 0
}

# What the action is done to. The commonest first, here and below: what need not be looked at takes no time.
resource_type := "dataset" if {
	asked.action == "read"
} else := "model" if {
	data.sallyport.steps.asks
} else := {"build": "snapshot", "erase": "dataset", "distribute": "policies", "promote": "model", "release": "egress", "admit": "ingress", "export": "audit"}[asked.action]

# METADATA
# title: The action is known
# custom:
#   reason: unknown_action
#   sentence: Policy knows no such action.
known_action if resource_type

# METADATA
# title: The zone is known
# custom:
#   reason: unknown_zone
#   sentence: Policy knows no such zone.
known_zone if {
	asked.resource.zone == "live"
} else if {
	asked.resource.zone == "sandbox"
} else if {
	asked.action != "read"
}

known_tier if {
	asked.action == "read"
} else if {
	asked.action != "promote"
} else if {
	data.sallyport.promote.known_tier
}
