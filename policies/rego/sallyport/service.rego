# METADATA
# title: A service reading live data
# description: Under the identity of one deployed model only, never under a grant.
package sallyport.service

import data.sallyport.asked
import data.sallyport.dataset

reasons := union({dataset.reasons, promotion_reasons})

given if is_object(asked.context.promotion)

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
	not asked.context.promotion.state == "deployed"
}

# METADATA
# title: The promotion is this service's
# custom:
#   reason: promotion_mismatch
#   sentence: The promotion names another service or dataset.
promotion_reasons contains "promotion_mismatch" if {
	given
	not asked.context.promotion.service == asked.me
}

promotion_reasons contains "promotion_mismatch" if {
	given
	asked.dataset
	not asked.context.promotion.dataset == asked.dataset
}

promotion_reasons contains "column_not_granted" if {
	given
	not covered
}

covered if {
	dataset.covered_by(asked.context.promotion.columns, text)
} else if {
	dataset.number == 0
}

text := concat("\n", asked.context.promotion.columns)

obligations := {
	"columns": dataset.in_the_clear,
	"row_filter": null,
	"ttl_seconds": data.limits.service_ttl_seconds,
	"log_statements": true,
	"review_within_seconds": null,
}
