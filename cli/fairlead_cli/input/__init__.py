"""What every command reads: files, YAML syntax, the rules of the contract, and one line for each finding."""
