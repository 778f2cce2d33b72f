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

# METADATA
# title: Enough others approved
# description: At least one, and as many as the most demanding class among the columns asked for needs.
# custom:
#   reason: approvals_missing
#   sentence: Approvals by enough other people in the required roles are missing.
judged contains "approvals_missing" if not approved

# Which classes are asked for matters only where there are not enough for every column of the contract.
approved if {
	count(stewards) >= dataset.contract.approvers
} else if {
	not stewards == set()
	have := count(stewards)
	count([class | some class in dataset.classes; not enough_for(class, have)]) == 0
}

enough_for(class, have) if have >= data.approvers_needed[class]

stewards := approvers(data.roles.approve_access)

# METADATA
# title: A privacy officer approved a re-identification
# custom:
#   reason: privacy_officer_missing
#   sentence: Re-identification needs the approval of a privacy officer.
judged contains "privacy_officer_missing" if {
	dataset.purpose == data.purposes.re_identification
	not privacy_officer_approved
}

privacy_officer_approved if count(approvers(data.roles.approve_re_identification)) > 0

# METADATA
# title: Nobody approves their own request
# custom:
#   reason: self_approval
#   sentence: The subject or author is among the approvers; that approval counts for nothing.
judged contains "self_approval" if {
	some approval in asked.approvals
	approval.by == asked.me
}

approvers(role) := {approval.by | some approval in asked.approvals; approval.role == role} - {asked.me, ""}
