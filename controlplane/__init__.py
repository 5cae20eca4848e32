"""Introduces load balancer, scheduler and autoscaler to each other."""
