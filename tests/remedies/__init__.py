"""Every message with a hint: the test provokes the message and runs the code in the hint."""
