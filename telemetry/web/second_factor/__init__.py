"""The page on which users set up the second factor of their sign-in."""
