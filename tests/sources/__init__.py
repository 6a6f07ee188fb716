"""Arrays from real libraries that no adapter knows. Each test has the real package."""
