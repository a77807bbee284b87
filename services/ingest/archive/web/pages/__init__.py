"""The pages: HTML and feeds made on the server from the same content as the API."""
