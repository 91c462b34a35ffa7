"""What users write against."""
