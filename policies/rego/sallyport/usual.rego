# METADATA
# title: The usual question
# description: A person's live read under a grant, with all its fields and no other that has a type; judged in few steps, as most are such.
package sallyport.usual

import data.sallyport.answers
import data.sallyport.asked
import data.sallyport.dataset
import data.sallyport.grant
import data.sallyport.live
import data.sallyport.values

# METADATA
# title: The decision on a usual question
# description: What the rules for live data say; any other question has no decision here.
decision := answers.allowed(live.obligations) if {
	question
	live.reasons == set()
} else := answers.denied(sort([reason | some reason in live.reasons])) if {
	question
	count(live.reasons) > 0
}

# Where this holds, the question is of its shape, complete, and about a zone and an action that policy knows.
question if {
	input.action == "read"
	asked.resource.zone == "live"
	grant.matching
	asked.me != ""
	told(input.subject, asked.resource, asked.context)
	granted(asked.grant, asked.approvals)
}

# A person's question about a dataset's columns. What stands between texts that are joined has to be a text as well.
told(subject, resource, context) if {
	subject.type == "person"
	resource.type == "dataset"
	count(resource) == 5
	count(context) == 3
	concat(resource.id, subject.roles)
	concat(resource.project, subject.projects)
	concat(context.purpose, [asked.me])
	dataset.text
	subject.mfa == true
}

# Under a grant, whose subject, dataset and purpose are those asked for and so are texts.
granted(given, approvals) if {
	grant.text
	given.revoked == false
	is_array(approvals)
	concat(given.id, [row.by | some row in approvals])
	concat("", [row.role | some row in approvals])
	every row in approvals {
		count(row) == 3
		bits.rsh(row.at, 53) == 0
	}
	values.small(asked.subject.training_until, asked.now, asked.not_before, asked.expires)
}
