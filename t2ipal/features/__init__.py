"""Frozen CLIP: loading it, its dense features, and the files that keep them."""

import warnings

# `import clip` reads a version through pkg_resources, whose deprecation is nothing that a user of ours could act on.
warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)
