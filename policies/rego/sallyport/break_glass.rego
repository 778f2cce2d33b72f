# METADATA
# title: Break-glass
# description: A person on call reads live data in an incident, for a short time and under review; no grant, no membership.
package sallyport.break_glass

import data.sallyport.dataset
import data.sallyport.person
import data.sallyport.values

reasons := union({role, person.training, person.mfa, dataset.reasons, purpose, justification})

role contains "role_not_permitted" if not on_call

on_call if person.holds_one_of([data.roles.break_glass])

purpose contains "purpose_missing" if {
	dataset.sound
	not dataset.purpose
}

purpose contains "purpose_not_permitted" if {
	dataset.sound
	dataset.purpose
	not responding
}

responding if dataset.purpose == data.purposes.break_glass

# METADATA
# title: Justification and incident are given
# custom:
#   reason: justification_missing
#   sentence: Break-glass needs a justification and an incident.
justification contains "justification_missing" if not justified

justified if {
	trim(input.context.break_glass.justification, " ") != ""
	trim(input.context.break_glass.incident, " ") != ""
}

obligations := {
	"columns": dataset.treatments,
	"row_filter": dataset.row_filter,
	"ttl_seconds": values.least(dataset.max_ttl, data.limits.break_glass_ttl_seconds),
	"log_statements": true,
	"review_within_seconds": data.limits.break_glass_review_seconds,
}
