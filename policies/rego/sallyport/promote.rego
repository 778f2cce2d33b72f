# METADATA
# title: Promoting a model
# description: Asked to approve and again to deploy, over the digest of exactly these bytes.
package sallyport.promote

# METADATA
# title: The tier is known
# custom:
#   reason: unknown_tier
#   sentence: The model's tier is not one that policy knows.
known_tier if data.tiers[input.resource.tier]

tier := data.tiers[input.resource.tier]

digest := object.get(input.resource, "digest", "")

approvals := object.get(input.resource, "approvals", [])

reasons := (check_reasons | approval_reasons) | finding_reasons

# METADATA
# title: Every required check was made
# custom:
#   reason: check_missing
#   sentence: A check that the tier requires was not made.
check_reasons contains "check_missing" if {
	some name in tier.checks
	count(made(name)) == 0
}

# METADATA
# title: Every required check passed
# custom:
#   reason: check_failed
#   sentence: A check that the tier requires did not pass.
check_reasons contains "check_failed" if {
	some name in tier.checks
	some check in made(name)
	not good(check)
}

made(name) := [check | some check in object.get(input.resource, "checks", []); check.name == name]

good(check) if check.outcome == "passed"

good(check) if {
	check.outcome == "waived"
	check.name in data.promotion.waivable_checks
}

# METADATA
# title: Everything is about these bytes
# custom:
#   reason: digest_mismatch
#   sentence: A check, approval or vote was made on other bytes, or the bytes are not named.
check_reasons contains "digest_mismatch" if digest == ""

check_reasons contains "digest_mismatch" if {
	some check in object.get(input.resource, "checks", [])
	not check.digest == digest
}

approval_reasons contains "digest_mismatch" if {
	some approval in approvals
	not approval.digest == digest
}

# METADATA
# title: No grave finding is open
# custom:
#   reason: open_findings
#   sentence: A finding that must be closed first is open.
finding_reasons contains "open_findings" if {
	some finding in object.get(input.resource, "findings", [])
	not finding.open == false
	not finding.severity in data.promotion.harmless_severities
}

# Distinct people cover the roles when each group of roles has at least as many people (Hall's condition).
approval_reasons contains "approvals_missing" if {
	some group in groups
	count(people(group)) < count(group)
}

roles := {role | some role in tier.approvals}

groups := {group | some a in roles; some b in roles; some c in roles; group := {a, b, c}}

people(group) := {approval.by |
	some approval in approvals
	approval.role in group
	counts(approval)
}

counts(approval) if {
	approval.by != ""
	approval.by != input.resource.author
	approval.digest == digest
	approval.at <= input.context.now
	input.context.now - approval.at <= data.limits.approval_max_age_seconds
}

approval_reasons contains "self_approval" if {
	some approval in approvals
	approval.by == input.resource.author
}
