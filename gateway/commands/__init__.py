"""One module for each command group; `gateway.cli` imports only the one that is asked for."""
