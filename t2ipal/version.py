"""The version of t2ipal: the only place that says it, for the package, its files and its commands."""

VERSION = "0.3.0"
