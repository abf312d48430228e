"""A card image or its files onto a card, and onto nothing else."""
