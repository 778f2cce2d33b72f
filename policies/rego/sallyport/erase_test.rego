package sallyport.erase_test

import data.sallyport.good_test

test_permit if good_test.reasons(good_test.erase) == []

test_deny_role if {
	asked := good_test.changed(good_test.erase, "/subject/roles", ["data-scientist", "operator", "privacy-officer"])
	good_test.reasons(asked) == ["role_not_permitted"]
}

test_deny_service if {
	asked := good_test.changed(good_test.erase, "/subject/type", "service")
	good_test.reasons(asked) == ["role_not_permitted"]
}

test_deny_mfa if {
	asked := good_test.changed(good_test.erase, "/subject/mfa", false)
	good_test.reasons(asked) == ["mfa_required"]
}

test_deny_project if {
	asked := good_test.changed(good_test.erase, "/resource/project", "elsewhere")
	good_test.reasons(asked) == ["not_in_project"]
}

test_missing if {
	asked := good_test.without(good_test.erase, "/subject/mfa")
	good_test.reasons(asked) == ["mfa_required"]
}

test_missing_project if {
	asked := good_test.without(good_test.erase, "/resource/project")
	good_test.reasons(asked) == ["not_in_project"]
}
