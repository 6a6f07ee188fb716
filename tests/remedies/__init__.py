"""Every message that tells what to write instead: the test provokes the message and runs the code."""
