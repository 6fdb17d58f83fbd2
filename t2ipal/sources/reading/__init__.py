"""What several sources share: files of lists, JSON and images, the classes by name, the choice of a caption."""
