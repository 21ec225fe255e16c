"""The site around the app: settings, the two URL tables, the ASGI application."""
