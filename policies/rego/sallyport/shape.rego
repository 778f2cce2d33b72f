# METADATA
# title: The shape of a question
# description: Every field that is present has its type, and what nothing can be judged without is present.
package sallyport.shape

import data.sallyport.values

# METADATA
# title: No value of a wrong type
# description: The subject, the resource and the context are objects, and every field policy knows is of its type where it is present.
# custom:
#   reason: invalid_input
#   sentence: The question is not of the form that policy can judge, so it is denied.
typed if {
	is_object(input)
	values.texts(input, ["action"])
	values.objects(input, ["subject", "resource", "context"])
	subject_typed(object.get(input, "subject", {}))
	resource_typed(object.get(input, "resource", {}))
	context_typed(object.get(input, "context", {}))
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
	values.rows(resource, "checks", ["name", "outcome", "digest"])
	values.rows(resource, "findings", ["id", "severity"])
	values.rows(resource, "approvals", ["by", "role", "digest", "meaning"])
}

context_typed(context) if {
	values.texts(context, ["purpose"])
	values.times(context, ["now"])
	values.objects(context, ["grant", "break_glass", "promotion"])
	grant_typed(object.get(context, "grant", {}))
	values.texts(object.get(context, "break_glass", {}), ["justification", "incident"])
	promotion_typed(object.get(context, "promotion", {}))
}

grant_typed(grant) if {
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
	input.subject.id != ""
	input.subject.type in {"person", "service"}
	input.resource.type == data.sallyport.resource_types[input.action]
	time_given
	author_given
}

time_given if input.context.now

time_given if input.action in {"build", "release", "export"}

# Whoever made it cannot be told from whoever approves it when the author is not named.
author_given if input.resource.author != ""

author_given if input.action in {"read", "build", "export"}
