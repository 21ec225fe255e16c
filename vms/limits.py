"""What one user and one lab may take of this server: every way in asks here."""
