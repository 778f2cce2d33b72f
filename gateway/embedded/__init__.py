"""The embedded stack: every server from a wheel, all state in one home folder, one command to start and stop it."""
