"""The wizard: what its pages ask, how answers become a draft, and what is shown beside them."""
