# METADATA
# title: Building a snapshot
# description: A steward or the snapshot service, when every column of the contract has a class.
package sallyport.build

import data.sallyport.person

reasons contains "role_not_permitted" if not permitted

permitted if person.holds_one_of(data.roles.build_snapshot)

permitted if {
	input.subject.type == "service"
	input.subject.id in data.services.build_snapshot
}

# METADATA
# title: Every column has a class
# custom:
#   reason: unclassified_column
#   sentence: At least one column of the contract has no class.
reasons contains "unclassified_column" if not input.resource.unclassified == []
