"""Books: who maintains whom. Allocation at go-live and the quarterly proposal, by optimisation."""
