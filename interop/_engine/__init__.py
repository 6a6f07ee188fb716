"""The conversion pipeline: parse the keywords, plan, check the policy, execute, and cache."""
