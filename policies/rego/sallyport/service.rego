# METADATA
# title: A service reading live data
# description: Under the identity of one deployed model only, never under a grant.
package sallyport.service

import data.sallyport.dataset

reasons := dataset.reasons | promotion_reasons

given if input.context.promotion

# METADATA
# title: A promotion is present
# custom:
#   reason: no_promotion
#   sentence: A service reads live data under a deployed promotion only, and there is none.
promotion_reasons contains "no_promotion" if not given

# METADATA
# title: The model is deployed
# custom:
#   reason: not_deployed
#   sentence: The promotion is not deployed.
promotion_reasons contains "not_deployed" if {
	given
	not input.context.promotion.state == "deployed"
}

# METADATA
# title: The promotion is this service's
# custom:
#   reason: promotion_mismatch
#   sentence: The promotion names another service or dataset.
promotion_reasons contains "promotion_mismatch" if {
	given
	not input.context.promotion.service == input.subject.id
}

promotion_reasons contains "promotion_mismatch" if {
	given
	input.resource.id
	not input.context.promotion.dataset == input.resource.id
}

promotion_reasons contains "column_not_granted" if {
	given
	not covered
}

covered if dataset.covered_by(object.get(input.context.promotion, "columns", []))

obligations := {
	"columns": {name: "clear" | some name, _ in dataset.known},
	"row_filter": null,
	"ttl_seconds": data.limits.service_ttl_seconds,
	"log_statements": true,
	"review_within_seconds": null,
}
