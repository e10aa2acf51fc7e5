"""The operators' desk: what is expected, what came, what to do. Values in, values out; a face shows them."""
