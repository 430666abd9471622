"""HTTP messages (RFC 9110): the head and body of a request, conditions, negotiation, and responses."""
