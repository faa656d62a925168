"""Projections of the logs: what search reads. Everything here can be made anew from the store."""
