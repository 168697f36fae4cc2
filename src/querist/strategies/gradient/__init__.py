"""What an answer would change in the model, or how little changes its mind."""
