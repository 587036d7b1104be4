"""Frameworks in their usual set-up, with this server behind them."""
