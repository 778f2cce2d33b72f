# METADATA
# title: Steps on a model's way that one person takes
# description: Submitting it, waiving a check, closing a finding, rejecting it, putting it into production, taking it from beside the champion.
package sallyport.steps

import data.sallyport.asked
import data.sallyport.person

# The roles that permit the step.
asks := data.steps[asked.action]

reasons := union({role, person.membership, own, unwaivable})

role contains "role_not_permitted" if not permitted

# A model may come from a service that builds it; what is done with it afterwards, a person answers for.
permitted if {
	submitted_or_person
	person.holds_one_of(asks)
}

submitted_or_person if {
	person.is_person
} else if {
	asked.action == "submit"
}

own contains "self_approval" if {
	of_others
	asked.me == asked.resource.author
}

# Nobody lets their own model pass.
of_others if asked.action in {"waive", "close", "deploy"}

# METADATA
# title: The check can be waived
# custom:
#   reason: check_not_waivable
#   sentence: Policy does not let this check be waived.
unwaivable contains "check_not_waivable" if {
	asked.action == "waive"
	not waivable
}

waivable if asked.resource.check in data.promotion.waivable_checks

# METADATA
# title: In which roles
# description: Those of the subject's roles that permit the step, in the order of the policies' data; the first is signed with.
obligations := {"roles": [name | some name in asks; held(name)]}

held(name) if {
	some role in asked.subject.roles
	role == name
}
