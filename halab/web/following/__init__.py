"""What the map shows: an instance's nodes and cluster are followed while somebody looks at it."""
