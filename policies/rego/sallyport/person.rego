# METADATA
# title: Conditions on a person
# description: Shared by the rules that ask about roles, training, the second factor and membership.
package sallyport.person

import data.sallyport.asked

is_person if asked.subject.type == "person"

# METADATA
# title: Training is valid
# custom:
#   reason: training_expired
#   sentence: The training this data requires is missing or has expired.
training contains "training_expired" if not trained

trained if asked.subject.training_until > asked.now

# METADATA
# title: A second factor was used
# custom:
#   reason: mfa_required
#   sentence: Live data needs a login with a second factor.
mfa contains "mfa_required" if not asked.subject.mfa == true

# METADATA
# title: The subject works on the project
# custom:
#   reason: not_in_project
#   sentence: The subject is not a member of the project.
membership contains "not_in_project" if not member

member if {
	some project in asked.subject.projects
	project == asked.resource.project
}

# METADATA
# title: The subject holds one of these roles
# custom:
#   reason: role_not_permitted
#   sentence: None of the subject's roles permits this.
holds_one_of(names) if {
	some role in asked.subject.roles
	some name in names
	role == name
}
