# METADATA
# title: Approvals of a promotion
# description: Distinct people, one for each role the tier names, none of them the author, on these bytes and not long ago.
package sallyport.quorum

import data.sallyport.promote

approvals := object.get(input.resource, "approvals", [])

# METADATA
# title: A person for each role
# description: One distinct person can be found for each role when every group of roles has at least as many people (Hall's theorem).
reasons contains "approvals_missing" if {
	some group in groups
	count(people(group)) < count(group)
}

# All groups of up to four roles are looked at; more can not be asked for.
reasons contains "approvals_missing" if count(places) > 4

reasons contains "self_approval" if {
	some approval in approvals
	approval.by == input.resource.author
}

reasons contains "digest_mismatch" if {
	some approval in approvals
	not approval.digest == promote.digest
}

roles := promote.tier.approvals

# Places in the tier's list rather than roles, so that a tier can ask for two people of one role.
places := {place | roles[place]}

groups := {places} | {group | some a in places; some b in places; a <= b; some c in places; b <= c; group := {a, b, c}}

people(group) := {approval.by |
	some place in group
	some approval in counting
	approval.role == roles[place]
}

counting := [approval | some approval in approvals; counts(approval)]

counts(approval) if {
	approval.by != ""
	approval.by != input.resource.author
	approval.digest != ""
	approval.digest == promote.digest
	approval.at <= input.context.now
	input.context.now - approval.at <= data.limits.approval_max_age_seconds
}
