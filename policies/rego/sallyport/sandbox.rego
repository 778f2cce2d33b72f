# METADATA
# title: Reading in the sandbox zone
# description: De-identified already, so no grant is needed and every column asked for is clear.
package sallyport.sandbox

import data.sallyport.dataset
import data.sallyport.person

reasons := union({role, person.training, person.membership})

role contains "role_not_permitted" if not permitted

permitted if {
	person.is_person
	person.holds_one_of(data.roles.read_sandbox)
}

obligations := {
	"columns": columns,
	"row_filter": null,
	"ttl_seconds": data.limits.sandbox_ttl_seconds,
	"log_statements": false,
	"review_within_seconds": null,
}

# Where all are known their list is at hand; else it is made, column by column.
columns := dataset.in_the_clear if {
	dataset.all_known
} else := {name: "clear" | some name in dataset.columns}
