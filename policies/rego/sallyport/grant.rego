# METADATA
# title: Conditions on a grant
# description: It names this subject, dataset, purpose and columns, is valid now, and was approved by enough others.
package sallyport.grant

import data.sallyport.dataset

# Asked for often: a truth is cheaper to look at than a grant.
given if input.context.grant

approvals := object.get(input.context.grant, "approvals", [])

# METADATA
# title: A grant is present
# custom:
#   reason: no_grant
#   sentence: There is no grant for this; request access first.
reasons contains "no_grant" if not given

# METADATA
# title: The grant is for this
# description: A dataset or purpose that the question does not name is not compared; its own reason says that it is missing.
# custom:
#   reason: grant_mismatch
#   sentence: The grant names another subject, dataset or purpose.
reasons contains "grant_mismatch" if {
	given
	not input.context.grant.subject == input.subject.id
}

reasons contains "grant_mismatch" if {
	given
	input.resource.id
	not input.context.grant.dataset == input.resource.id
}

reasons contains "grant_mismatch" if {
	given
	dataset.purpose
	not input.context.grant.purpose == dataset.purpose
}

# METADATA
# title: The grant covers the columns
# custom:
#   reason: column_not_granted
#   sentence: At least one column asked for is not covered.
reasons contains "column_not_granted" if {
	given
	not covered
}

covered if dataset.covered_by(object.get(input.context.grant, "columns", []))

# METADATA
# title: The grant has begun
# custom:
#   reason: grant_not_yet_valid
#   sentence: The grant is not valid yet.
reasons contains "grant_not_yet_valid" if {
	given
	not begun
}

begun if input.context.grant.not_before <= input.context.now

# METADATA
# title: The grant has not ended
# custom:
#   reason: grant_expired
#   sentence: The grant has expired.
reasons contains "grant_expired" if {
	given
	not running
}

running if input.context.now < input.context.grant.expires

# METADATA
# title: The grant stands
# custom:
#   reason: grant_revoked
#   sentence: The grant was revoked.
reasons contains "grant_revoked" if {
	given
	not input.context.grant.revoked == false
}

# METADATA
# title: Enough others approved
# description: At least one, and as many as the most demanding class among the columns asked for needs.
# custom:
#   reason: approvals_missing
#   sentence: Approvals by enough other people in the required roles are missing.
reasons contains "approvals_missing" if {
	given
	not approved
}

approved if {
	count(stewards) > 0
	enough
}

# Which classes are asked for matters only where there are not enough for each class there is.
enough if {
	have := count(stewards)
	count(object.remove(data.treatments, data.approvers_needed)) == 0
	count([needed | some needed in data.approvers_needed; needed > have]) == 0
} else if {
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
reasons contains "privacy_officer_missing" if {
	given
	dataset.purpose == data.purposes.re_identification
	not privacy_officer_approved
}

privacy_officer_approved if count(approvers(data.roles.approve_re_identification)) > 0

# METADATA
# title: Nobody approves their own request
# custom:
#   reason: self_approval
#   sentence: The subject or author is among the approvers; that approval counts for nothing.
reasons contains "self_approval" if {
	given
	some approval in approvals
	approval.by == input.subject.id
}

approvers(role) := {approval.by |
	some approval in approvals
	approval.role == role
	approval.by != input.subject.id
	approval.by != ""
}
