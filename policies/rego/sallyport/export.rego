# METADATA
# title: Exporting evidence
# description: Reading evidence never needs data access, and gives none.
package sallyport.export

import data.sallyport.person

reasons contains "role_not_permitted" if not permitted

permitted if person.holds_one_of(data.roles.export_audit)
