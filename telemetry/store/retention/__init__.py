"""What is dropped and compressed, by age (README.md)."""
