"""Everything that speaks SQL. README.md lists the packages."""
