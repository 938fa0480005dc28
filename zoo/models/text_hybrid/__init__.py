"""Text, ids and a knowledge graph fused in one retrieval model."""
