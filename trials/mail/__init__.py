"""What is to be sent and to whom, as the database knows it; nothing here speaks to a server."""
