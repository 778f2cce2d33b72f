-- Entries get their place in the ledger's order after they were accepted (ledger.integrate); who wrote them in order does no more.
DROP FUNCTION IF EXISTS ledger.append(bytea[], uuid, text, timestamptz, timestamptz, text, text, text, text, text, text);
