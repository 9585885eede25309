"""What people and machines touch: pages, the API, mail and the command line."""
