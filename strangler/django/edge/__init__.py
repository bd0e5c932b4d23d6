"""What the middleware edge is made of: who asks, for what, and how the service is asked."""
