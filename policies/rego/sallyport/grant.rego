# METADATA
# title: Conditions on a grant
# description: It names this subject, dataset, purpose and columns, is valid now, and was approved by enough others.
package sallyport.grant

import data.sallyport.asked
import data.sallyport.dataset

given if is_object(asked.grant)

# All columns granted in one text, which has no value if one of them is no text.
text := concat("\n", asked.grant.columns)

# METADATA
# title: A grant is present
# description: Without one its conditions are not judged.
# custom:
#   reason: no_grant
#   sentence: There is no grant for this; request access first.
absent contains "no_grant" if not given

reasons := judged if {
	given
} else := absent

# METADATA
# title: The grant is for this
# description: A dataset or purpose that the question does not name is not compared; its own reason says that it is missing.
# custom:
#   reason: grant_mismatch
#   sentence: The grant names another subject, dataset or purpose.
judged contains "grant_mismatch" if not matching

matching if {
	asked.grant.subject == asked.me
	asked.grant.dataset == asked.dataset
	asked.grant.purpose == dataset.purpose
} else if {
	asked.grant.subject == asked.me
	matches(asked.grant, "dataset", object.get(asked.resource, "id", null))
	matches(asked.grant, "purpose", purpose)
}

default purpose := null

purpose := dataset.purpose

matches(grant, name, value) if {
	value == null
} else if {
	grant[name] == value
}

# METADATA
# title: The grant covers the columns
# custom:
#   reason: column_not_granted
#   sentence: At least one column asked for is not covered.
judged contains "column_not_granted" if not covered

# Nothing granted covers nothing asked.
covered if {
	dataset.covered_by(asked.grant.columns, text)
} else if {
	dataset.number == 0
}

# METADATA
# title: The grant has begun
# custom:
#   reason: grant_not_yet_valid
#   sentence: The grant is not valid yet.
judged contains "grant_not_yet_valid" if not begun

begun if asked.not_before <= asked.now

# METADATA
# title: The grant has not ended
# custom:
#   reason: grant_expired
#   sentence: The grant has expired.
judged contains "grant_expired" if not running

running if asked.now < asked.expires

# METADATA
# title: The grant stands
# custom:
#   reason: grant_revoked
#   sentence: The grant was revoked.
judged contains "grant_revoked" if not asked.grant.revoked == false
