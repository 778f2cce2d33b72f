# METADATA
# title: Answers
# description: The two forms of an answer. A denial has reasons, each once and sorted, and no obligations.
package sallyport.answers

allowed(terms) := {"allow": true, "reasons": [], "obligations": terms}

denied(codes) := {"allow": false, "reasons": codes, "obligations": {}}
