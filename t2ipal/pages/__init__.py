"""What people see: tables in five formats, HTML pages from templates, and pictures of examples."""
