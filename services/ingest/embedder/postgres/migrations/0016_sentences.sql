-- The vectors of a passage's sentences, a byte for each number (embedder/sentence_vectors.py): a search takes from them
-- the sentence at which an answer begins. They are missing in rows of earlier versions; a search then computes them.
ALTER TABLE embeddings ADD COLUMN sentences bytea;
ALTER TABLE embeddings ALTER COLUMN sentences SET STORAGE EXTERNAL; -- they cannot be compressed
