"""Values of the conversion pipeline: requests, plans, the policy, dtypes, and text for messages."""
