"""What a scrape shows: the table of names (`catalog`), one moment of an engine (`view`), and the families made of it."""
