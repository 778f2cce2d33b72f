# METADATA
# title: The shape of a question
# description: Every field that is present has its type, and what nothing can be judged without is present.
package sallyport.shape

import data.sallyport.asked
import data.sallyport.values

# METADATA
# title: No value of a wrong type
# description: The subject, the resource and the context are objects, and every field policy knows is of its type where it is present.
# custom:
#   reason: invalid_input
#   sentence: The question is not of the form that policy can judge, so it is denied.
typed if {
	usual(asked.subject, asked.resource, asked.context, asked.grant)
} else if {
	is_object(input)
	values.texts(input, ["action"])
	values.objects(input, ["subject", "resource", "context"])
	subject_typed(object.get(input, "subject", {}))
	resource_typed(object.get(input, "resource", {}))
	context_typed(object.get(input, "context", {}))
}

# A person's read under a grant with all its fields and no others that have a type: said again in few steps, as most are such.
usual(subject, resource, context, grant) if {
	concat("", [
		asked.action, subject.id, subject.type, resource.type, resource.id, resource.project, resource.zone, context.purpose,
		grant.id, grant.subject, grant.dataset, grant.purpose,
	])
	values.list_of_texts(subject.roles)
	values.list_of_texts(subject.projects)
	data.sallyport.dataset.text
	data.sallyport.grant.text
	subject.mfa == true
	grant.revoked == false
	count(resource) == 5
	count(context) == 3
	is_array(grant.approvals)
	texts := [concat("", [row.by, row.role]) | some row in grant.approvals; count(row) == 3; bits.rsh(row.at, 53) == 0]
	count(texts) == count(grant.approvals)
	values.small(subject.training_until, context.now, grant.not_before, grant.expires)
}

subject_typed(subject) if {
	values.texts(subject, ["id", "type"])
	values.lists(subject, ["roles", "projects"])
	values.times(subject, ["training_until"])
	values.flags(subject, ["mfa"])
}

resource_typed(resource) if {
	values.texts(resource, ["type", "id", "project", "zone", "digest", "tier", "author"])
	values.lists(resource, ["columns", "unclassified"])
	rows_typed(object.filter(resource, ["checks", "findings", "approvals"]))
}

# Most questions have no such rows, or no such context: one look at whether there is any spares one for each.
rows_typed(rows) if {
	count(rows) == 0
} else if {
	values.rows(rows, "checks", ["name", "outcome", "digest"])
	values.rows(rows, "findings", ["id", "severity"])
	values.rows(rows, "approvals", ["by", "role", "digest", "meaning"])
}

context_typed(context) if {
	values.texts(context, ["purpose"])
	values.times(context, ["now"])
	values.objects(context, ["grant", "break_glass", "promotion"])
	grant_typed(object.get(context, "grant", {}))
	told_typed(object.filter(context, ["break_glass", "promotion"]))
}

told_typed(told) if {
	count(told) == 0
} else if {
	values.texts(object.get(told, "break_glass", {}), ["justification", "incident"])
	promotion_typed(object.get(told, "promotion", {}))
}

grant_typed(grant) if {
	count(grant) == 0
} else if {
	values.texts(grant, ["id", "subject", "dataset", "purpose"])
	values.lists(grant, ["columns"])
	values.times(grant, ["not_before", "expires"])
	values.flags(grant, ["revoked"])
	values.rows(grant, "approvals", ["by", "role"])
}

promotion_typed(promotion) if {
	values.texts(promotion, ["model", "digest", "state", "service", "dataset"])
	values.lists(promotion, ["columns"])
}

# METADATA
# title: Nothing is missing that no reason names
# description: Who asks, about what kind of thing, when (where time matters) and whose work it is (where others must approve it).
complete if {
	asked.me != ""
	subject_known
	asked.resource.type == data.sallyport.resource_type
	time_given
	author_given
}

subject_known if {
	asked.subject.type == "person"
} else if {
	asked.subject.type == "service"
}

time_given if {
	asked.now
} else if {
	asked.action in {"build", "distribute", "erase", "release", "export"}
}

# Whoever made it cannot be told from whoever approves it when the author is not named.
author_given if {
	asked.action == "read"
} else if {
	asked.resource.author != ""
} else if {
	asked.action in {"build", "distribute", "erase", "export"}
}
