"""Children: reads of one endpoint for many bindings, from the rows of a parent and from `for_each`."""
