"""What every room uses and none owns: visible text, names, tables as text, files written in one step."""
