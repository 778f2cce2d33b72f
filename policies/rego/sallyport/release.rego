# METADATA
# title: Letting files out of the sandbox, or into it
# description: Two other people looked at exactly these bytes, and nothing they found is open.
package sallyport.release

digest := object.get(input.resource, "digest", "")

votes := object.get(input.resource, "approvals", [])

reasons contains "approvals_missing" if not reviewed

reviewed if count(reviewers) >= data.promotion.output_reviewers

reviewers contains vote.by if {
	some vote in votes
	vote.role == data.roles.check_output
	vote.digest != ""
	vote.digest == digest
	vote.by != ""
	vote.by != input.resource.author
}

reasons contains "self_approval" if {
	some vote in votes
	vote.by == input.resource.author
}

reasons contains "digest_mismatch" if digest == ""

reasons contains "digest_mismatch" if {
	some vote in votes
	not vote.digest == digest
}

reasons contains "open_findings" if not input.resource.findings

reasons contains "open_findings" if {
	some finding in input.resource.findings
	not finding.open == false
}
