"""What every room agrees on; imports no room."""
