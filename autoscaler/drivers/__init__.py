"""Where series outlive the process, and where metrics are asked for."""
