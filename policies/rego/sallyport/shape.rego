# METADATA
# title: The shape of a question
# description: Every field that is present has its type, and what nothing can be judged without is present.
package sallyport.shape

import data.sallyport.types

# METADATA
# title: No value of a wrong type
# description: The subject, the resource and the context are objects, and every field policy knows is of its type where it is present.
# custom:
#   reason: invalid_input
#   sentence: The question is not of the form that policy can judge, so it is denied.
typed if {
	is_object(input)
	types.texts(input, ["action"])
	types.objects(input, ["subject", "resource", "context"])
	subject_typed(object.get(input, "subject", {}))
	resource_typed(object.get(input, "resource", {}))
	context_typed(object.get(input, "context", {}))
}

subject_typed(subject) if {
	types.texts(subject, ["id", "type"])
	types.lists(subject, ["roles", "projects"])
	types.times(subject, ["training_until"])
	types.flags(subject, ["mfa"])
}

resource_typed(resource) if {
	types.texts(resource, ["type", "id", "project", "zone", "digest", "tier", "author", "check"])
	types.lists(resource, ["columns", "unclassified"])
	rows_typed(object.filter(resource, ["checks", "findings", "approvals"]))
}

# Most questions have no such rows, or no such context: one look at whether there is any spares one for each.
rows_typed(rows) if {
	count(rows) == 0
} else if {
	types.rows(rows, "checks", ["name", "outcome", "digest"])
	types.rows(rows, "findings", ["id", "severity"])
	types.rows(rows, "approvals", ["by", "role", "digest", "meaning"])
}

context_typed(context) if {
	types.texts(context, ["purpose"])
	types.times(context, ["now"])
	types.objects(context, ["grant", "break_glass", "promotion"])
	grant_typed(object.get(context, "grant", {}))
	told_typed(object.filter(context, ["break_glass", "promotion"]))
}

told_typed(told) if {
	count(told) == 0
} else if {
	types.texts(object.get(told, "break_glass", {}), ["justification", "incident"])
	promotion_typed(object.get(told, "promotion", {}))
}

grant_typed(grant) if {
	count(grant) == 0
} else if {
	types.texts(grant, ["id", "subject", "dataset", "purpose"])
	types.lists(grant, ["columns"])
	types.times(grant, ["not_before", "expires"])
	types.flags(grant, ["revoked"])
	types.rows(grant, "approvals", ["by", "role"])
}

promotion_typed(promotion) if {
	types.texts(promotion, ["model", "digest", "state", "service", "dataset"])
	types.lists(promotion, ["columns"])
}
