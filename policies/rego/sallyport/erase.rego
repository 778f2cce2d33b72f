# METADATA
# title: Erasing a person
# description: A steward of the project, with a second factor, takes a person out of live data and of every snapshot.
package sallyport.erase

import data.sallyport.person

reasons := union({role, person.mfa, person.membership})

role contains "role_not_permitted" if not permitted

permitted if {
	person.is_person
	person.holds_one_of(data.roles.erase_person)
}
