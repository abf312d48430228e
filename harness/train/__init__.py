"""A language model of our own: corpus, vocabulary, training on whatever is there, GGUF."""
