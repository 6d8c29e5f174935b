"""A fake API that is made from a low-code manifest alone, without the converter, and the check of what is loaded."""
