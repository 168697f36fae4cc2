"""Features of images, texts, tables and sounds that need no training: one modality a file."""
