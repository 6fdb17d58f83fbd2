"""What is drawn of labelled images: label shares, few-shot draws, episodes, novel classes."""
