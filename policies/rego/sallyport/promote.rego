# METADATA
# title: Promoting a model
# description: Asked to approve and again to deploy, over the digest of exactly these bytes.
package sallyport.promote

# METADATA
# title: The tier is known
# custom:
#   reason: unknown_tier
#   sentence: The model's tier is not one that policy knows.
known_tier if {
	is_array(tier.checks)
	is_array(tier.approvals)
}

tier := data.tiers[input.resource.tier]

digest := object.get(input.resource, "digest", "")

checks := object.get(input.resource, "checks", [])

reasons := union({check_reasons, approval_reasons, finding_reasons})

approval_reasons := data.sallyport.quorum.reasons

# METADATA
# title: Every required check was made
# custom:
#   reason: check_missing
#   sentence: A check that the tier requires was not made.
check_reasons contains "check_missing" if {
	some name in tier.checks
	not name in made
}

made := {check.name | some check in checks}

# METADATA
# title: Every required check passed
# description: A check listed more than once has to be good each time.
# custom:
#   reason: check_failed
#   sentence: A check that the tier requires did not pass.
check_reasons contains "check_failed" if {
	some check in checks
	check.name in tier.checks
	not good(check)
}

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
	some check in checks
	not check.digest == digest
}

# METADATA
# title: No grave finding is open
# description: A finding is open unless it says it is not, and grave unless its severity is known to be harmless.
# custom:
#   reason: open_findings
#   sentence: A finding that must be closed first is open, or it is not said which findings there are.
finding_reasons contains "open_findings" if not input.resource.findings

finding_reasons contains "open_findings" if {
	some finding in input.resource.findings
	not closed(finding)
	not harmless(finding)
}

closed(finding) if finding.open == false

harmless(finding) if finding.severity in data.promotion.harmless_severities
