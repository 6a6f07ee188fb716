"""Values without behaviour of their own: requests, plans, dtypes, memory layout, and text for messages."""
