"""What speaks to AWS, or in its ways."""
