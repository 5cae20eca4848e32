"""`alb load`: an open-loop load generator, free of coordinated omission."""
