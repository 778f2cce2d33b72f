# METADATA
# title: A person reading live data
# description: Every condition below holds, and the grant was approved by enough others.
package sallyport.live

import data.sallyport.asked
import data.sallyport.dataset
import data.sallyport.grant
import data.sallyport.person
import data.sallyport.values

reasons := union({
	role, person.training, person.mfa, person.membership, dataset.reasons, dataset.purpose_reasons, grant.reasons,
})

role contains "role_not_permitted" if not permitted

permitted if person.holds_one_of(data.roles.read_live)

obligations := {
	"columns": columns,
	"row_filter": dataset.row_filter,
	"ttl_seconds": values.least(longest, remaining),
	"log_statements": true,
	"review_within_seconds": null,
}

# Worked out beforehand where it was.
longest := dataset.contract.longest if {
	dataset.contract.longest
} else := values.least(dataset.max_ttl, data.limits.live_ttl_seconds)

remaining := asked.expires - asked.now

# METADATA
# title: Columns in the clear for re-identification
# description: With that purpose, which the dataset must permit and a privacy officer must have approved, direct identifiers are clear.
columns := {name: re_identified(treatment) | some name, treatment in dataset.treatments} if {
	dataset.purpose == data.purposes.re_identification
} else := dataset.treatments

re_identified(treatment) := "clear" if treatment == data.treatments.direct

re_identified(treatment) := treatment if treatment != data.treatments.direct
