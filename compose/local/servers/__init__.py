"""The servers, and the root filesystem that their packages are installed into."""
