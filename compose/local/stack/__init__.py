"""What a stack is: the request, its programs, settings and health."""
