"""PostgreSQL: the published marts for readers of whom each sees only what is his."""
