# METADATA
# title: Sallyport's decision
# description: One answer to one question. Anything missing, of a wrong type or unknown denies, with its reason.
package sallyport

# METADATA
# title: The decision
# description: Allow only when the question can be judged and no rule denies. The first of these that fails is the only reason given.
# entrypoint: true
default decision := {"allow": false, "reasons": ["invalid_input"], "obligations": {}}

decision := denied(["invalid_input"]) if {
	not data.sallyport.shape.typed
} else := denied(["unknown_action"]) if {
	not known_action
} else := denied(["unknown_zone"]) if {
	not known_zone
} else := denied(["unknown_tier"]) if {
	not known_tier
} else := denied(["invalid_input"]) if {
	not data.sallyport.shape.complete
} else := denied(sort([reason | some reason in reasons])) if {
	count(reasons) > 0
} else := {"allow": true, "reasons": [], "obligations": obligations} if {
	count(reasons) == 0
}

denied(codes) := {"allow": false, "reasons": codes, "obligations": {}}

resource_types := {
	"read": "dataset",
	"build": "snapshot",
	"erase": "dataset",
	"promote": "model",
	"release": "egress",
	"export": "audit",
}

# METADATA
# title: The action is known
# custom:
#   reason: unknown_action
#   sentence: Policy knows no such action.
known_action if resource_types[input.action]

# METADATA
# title: The zone is known
# custom:
#   reason: unknown_zone
#   sentence: Policy knows no such zone.
known_zone if input.action != "read"

known_zone if input.resource.zone in {"live", "sandbox"}

known_tier if input.action != "promote"

known_tier if data.sallyport.promote.known_tier

# METADATA
# title: Why not
# description: The reasons of the rules for the action asked; a denial wins over any permit.
reasons := data.sallyport.sandbox.reasons if {
	input.action == "read"
	input.resource.zone == "sandbox"
} else := data.sallyport.service.reasons if {
	input.action == "read"
	input.subject.type == "service"
} else := data.sallyport.break_glass.reasons if {
	input.action == "read"
	input.context.break_glass
} else := data.sallyport.live.reasons if {
	input.action == "read"
} else := data.sallyport.build.reasons if {
	input.action == "build"
} else := data.sallyport.erase.reasons if {
	input.action == "erase"
} else := data.sallyport.promote.reasons if {
	input.action == "promote"
} else := data.sallyport.release.reasons if {
	input.action == "release"
} else := data.sallyport.export.reasons

# METADATA
# title: On what terms
# description: What the enforcement point must do when it lets the subject through.
obligations := data.sallyport.sandbox.obligations if {
	input.action == "read"
	input.resource.zone == "sandbox"
} else := data.sallyport.service.obligations if {
	input.action == "read"
	input.subject.type == "service"
} else := data.sallyport.break_glass.obligations if {
	input.action == "read"
	input.context.break_glass
} else := data.sallyport.live.obligations if {
	input.action == "read"
} else := data.limits.snapshot if {
	input.action == "build"
} else := {}
