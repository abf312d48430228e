"""The command line: a file per verb; the only place that parses arguments, prints and exits."""
