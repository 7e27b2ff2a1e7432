"""Operations to SQL, one module an engine; pure: an operation and the state before it in, steps out."""
