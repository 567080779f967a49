"""What a move of a gateway to another account would do."""
