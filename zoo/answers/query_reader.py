"""The language model of text queries where no other was chosen: the package's own."""

READER, READER_LENGTH = "tiny_gpt2", 32  # its preset, and the tokens of a text that it reads
