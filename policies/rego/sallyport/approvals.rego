# Approvals of a grant: by enough others in the roles that the columns and the purpose need.
package sallyport.grant

import data.sallyport.asked
import data.sallyport.dataset

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
