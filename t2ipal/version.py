"""The version of t2ipal: the only definition, for the package, its files and its commands."""

VERSION = "0.3.0"
