"""What monitoring reads: /metrics for Prometheus under redis_exporter's names, /health and /ready."""
