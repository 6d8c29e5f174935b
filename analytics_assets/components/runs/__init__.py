"""What happens when an asset runs. Imported by runs only: loading the definitions does not pay for it."""
