# METADATA
# title: Handing out the policies themselves
# description: To the servers that decide by them, and to whoever may read evidence. They name datasets, columns and roles, no data.
package sallyport.distribute

import data.sallyport.asked
import data.sallyport.person

reasons contains "role_not_permitted" if not permitted

permitted if person.holds_one_of(data.roles.export_audit)

permitted if {
	asked.subject.type == "service"
	asked.me in data.services.read_policies
}
