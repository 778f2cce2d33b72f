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
} else := {"build": "snapshot", "erase": "dataset", "distribute": "policies", "promote": "model", "release": "egress", "export": "audit"}[asked.action]

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

# METADATA
# title: Which rules judge the question
# description: Those of its action; of a read, those of the way into the zone.
way := asked.action if {
	asked.action != "read"
} else := "sandbox" if {
	asked.resource.zone == "sandbox"
} else := "service" if {
	asked.subject.type == "service"
} else := "break_glass" if {
	asked.context.break_glass
} else := "live"

# METADATA
# title: Why not
# description: The reasons of the rules for the action asked; a denial wins over any permit.
reasons := data.sallyport.live.reasons if {
	way == "live"
} else := data.sallyport.sandbox.reasons if {
	way == "sandbox"
} else := data.sallyport.service.reasons if {
	way == "service"
} else := data.sallyport.break_glass.reasons if {
	way == "break_glass"
} else := data.sallyport.build.reasons if {
	way == "build"
} else := data.sallyport.erase.reasons if {
	way == "erase"
} else := data.sallyport.distribute.reasons if {
	way == "distribute"
} else := data.sallyport.promote.reasons if {
	way == "promote"
} else := data.sallyport.release.reasons if {
	way == "release"
} else := data.sallyport.export.reasons

# METADATA
# title: On what terms
# description: What the enforcement point must do when it lets the subject through.
obligations := data.sallyport.live.obligations if {
	way == "live"
} else := data.sallyport.sandbox.obligations if {
	way == "sandbox"
} else := data.sallyport.service.obligations if {
	way == "service"
} else := data.sallyport.break_glass.obligations if {
	way == "break_glass"
} else := data.limits.snapshot if {
	way == "build"
} else := {}
