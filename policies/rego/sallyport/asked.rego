# METADATA
# title: What is asked
# description: The parts of the question that many rules look at. Each is found once; finding it again takes the engine much longer.
package sallyport.asked

action := input.action

subject := input.subject

me := input.subject.id

resource := input.resource

context := input.context

now := input.context.now

grant := input.context.grant

dataset := input.resource.id

approvals := input.context.grant.approvals

not_before := input.context.grant.not_before

expires := input.context.grant.expires
