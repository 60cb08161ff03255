"""Ways to rank: how query parts become one vector. Later methods each take a file of their own."""
