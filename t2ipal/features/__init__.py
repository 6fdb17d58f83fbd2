"""Features of captions and images: made once by a frozen backbone, kept in files, read within a memory budget."""
