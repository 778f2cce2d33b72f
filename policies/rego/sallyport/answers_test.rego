package sallyport.answers_test

import data.sallyport.answers

test_permit if answers.allowed({"a": 1}) == {"allow": true, "reasons": [], "obligations": {"a": 1}}

test_deny if answers.denied(["a"]) == {"allow": false, "reasons": ["a"], "obligations": {}}

test_missing if not answers.allowed({}) == answers.denied([])
