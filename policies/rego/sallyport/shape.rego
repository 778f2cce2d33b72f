# METADATA
# title: The shape of a question
# description: Every field that is present has its type; what cannot be judged without is present.
package sallyport.shape

# METADATA
# title: A well-formed question
# description: The subject, the resource and the context are objects of known fields' types; a person or a service asks; the time is given.
# custom:
#   reason: invalid_input
#   sentence: The question is not of the form that policy can judge, so it is denied.
valid if {
	is_object(input)
	is_object(input.subject)
	is_object(input.resource)
	is_object(input.context)
	filled(input.subject, "id")
	input.subject.type in {"person", "service"}
	has_integer(input.context, "now")
	count(wrong) == 0
}

wrong contains "action" if not texts_ok(input, ["action"])

wrong contains "subject" if not subject_ok

wrong contains "resource" if not resource_ok

wrong contains "context" if not context_ok

subject_ok if {
	texts_ok(input.subject, ["id", "type"])
	lists_ok(input.subject, ["roles", "projects"])
	integers_ok(input.subject, ["training_until"])
	flags_ok(input.subject, ["mfa"])
}

resource_ok if {
	texts_ok(input.resource, ["type", "id", "project", "zone", "digest", "tier", "author"])
	lists_ok(input.resource, ["columns", "unclassified"])
	rows_ok(input.resource, "checks", ["name", "outcome", "digest"])
	rows_ok(input.resource, "findings", ["id", "severity"])
	rows_ok(input.resource, "approvals", ["by", "role", "digest", "meaning"])
}

context_ok if {
	texts_ok(input.context, ["purpose"])
	objects_ok(input.context, ["grant", "break_glass", "promotion"])
	grant := object.get(input.context, "grant", {})
	texts_ok(grant, ["id", "subject", "dataset", "purpose"])
	lists_ok(grant, ["columns"])
	integers_ok(grant, ["not_before", "expires"])
	flags_ok(grant, ["revoked"])
	rows_ok(grant, "approvals", ["by", "role"])
	texts_ok(object.get(input.context, "break_glass", {}), ["justification", "incident"])
	promotion := object.get(input.context, "promotion", {})
	texts_ok(promotion, ["model", "digest", "state", "service", "dataset"])
	lists_ok(promotion, ["columns"])
}

filled(object_, name) if {
	is_string(object_[name])
	object_[name] != ""
}

has_integer(object_, name) if whole(object_[name])

whole(value) if {
	is_number(value)
	floor(value) == value
}

texts_ok(object_, names) if count([name | some name in names; value := object_[name]; not is_string(value)]) == 0

flags_ok(object_, names) if count([name | some name in names; value := object_[name]; not is_boolean(value)]) == 0

objects_ok(object_, names) if count([name | some name in names; value := object_[name]; not is_object(value)]) == 0

integers_ok(object_, names) if count([name | some name in names; value := object_[name]; not whole(value)]) == 0

lists_ok(object_, names) if count([name | some name in names; value := object_[name]; not list_of_texts(value)]) == 0

list_of_texts(value) if {
	is_array(value)
	count([item | some item in value; not is_string(item)]) == 0
}

# Rows are objects whose named texts are texts, whose `at` is a time and whose `open` is a flag.
rows_ok(object_, name, texts) if {
	rows := object.get(object_, name, [])
	is_array(rows)
	count([row | some row in rows; not row_ok(row, texts)]) == 0
}

row_ok(row, texts) if {
	is_object(row)
	texts_ok(row, texts)
	integers_ok(row, ["at"])
	flags_ok(row, ["open"])
}
