"""The load balancer: which target answers this request."""
