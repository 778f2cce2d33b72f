# METADATA
# title: Conditions on a grant
# description: It names this subject, dataset, purpose and columns, is valid now, and was approved by enough others.
package sallyport.grant

import data.sallyport.dataset

given := input.context.grant

# METADATA
# title: A grant is present
# custom:
#   reason: no_grant
#   sentence: There is no grant for this; request access first.
reasons contains "no_grant" if not given

# METADATA
# title: The grant is for this
# custom:
#   reason: grant_mismatch
#   sentence: The grant names another subject, dataset or purpose.
reasons contains "grant_mismatch" if {
	given
	not matches
}

matches if {
	given.subject == input.subject.id
	given.dataset == input.resource.id
	purpose_matches
}

purpose_matches if given.purpose == dataset.purpose

# Without a purpose that part of the grant is not judged: purpose_missing says it already.
purpose_matches if not dataset.purpose

# METADATA
# title: The grant covers the columns
# custom:
#   reason: column_not_granted
#   sentence: At least one column asked for is not covered.
reasons contains "column_not_granted" if {
	given
	some name in dataset.columns
	not name in object.get(given, "columns", [])
}

# METADATA
# title: The grant has begun
# custom:
#   reason: grant_not_yet_valid
#   sentence: The grant is not valid yet.
reasons contains "grant_not_yet_valid" if {
	given
	not given.not_before <= input.context.now
}

# METADATA
# title: The grant has not ended
# custom:
#   reason: grant_expired
#   sentence: The grant has expired.
reasons contains "grant_expired" if {
	given
	not input.context.now < given.expires
}

# METADATA
# title: The grant stands
# custom:
#   reason: grant_revoked
#   sentence: The grant was revoked.
reasons contains "grant_revoked" if {
	given
	not given.revoked == false
}

# METADATA
# title: Enough others approved
# custom:
#   reason: approvals_missing
#   sentence: Approvals by enough other people in the required roles are missing.
reasons contains "approvals_missing" if {
	given
	count(approvers(data.roles.approve_access)) < approvers_needed
}

needed contains data.approvers_needed[class] if some class in dataset.classes

# METADATA
# title: A privacy officer approved a re-identification
# custom:
#   reason: privacy_officer_missing
#   sentence: Re-identification needs the approval of a privacy officer.
reasons contains "privacy_officer_missing" if {
	given
	input.context.purpose == data.purposes.re_identification
	count(approvers(data.roles.approve_re_identification)) == 0
}

# METADATA
# title: Nobody approves their own request
# custom:
#   reason: self_approval
#   sentence: The subject or author is among the approvers; that approval counts for nothing.
reasons contains "self_approval" if {
	given
	some approval in object.get(given, "approvals", [])
	approval.by == input.subject.id
}

approvers(role) := {approval.by |
	some approval in object.get(given, "approvals", [])
	approval.role == role
	approval.by != input.subject.id
	approval.by != ""
}

approvers_needed := max({1} | needed)
