# The way to a decision: which rules judge a question, and what they say of it.
package sallyport

import data.sallyport.asked

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
	way in {"release", "admit"}
} else := data.sallyport.export.reasons if {
	way == "export"
} else := data.sallyport.steps.reasons

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
} else := data.sallyport.steps.obligations if {
	data.sallyport.steps.asks
} else := {}
