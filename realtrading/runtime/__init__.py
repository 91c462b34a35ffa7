"""MACHINERY: mailboxes, pens, desks, supervisor. Knows nothing of trading."""
